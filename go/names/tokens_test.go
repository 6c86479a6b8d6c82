package names

import (
	"errors"
	"strings"
	"testing"

	"osp/go/s3err"
	"osp/go/stores"
)

func TestTokensOfAFolderAreSealedAndComeBack(t *testing.T) {
	for _, c := range []struct{ document, element, target, param string }{
		{`<ListBucketResult><NextContinuationToken>team a/k[minio_cache:v2]</NextContinuationToken></ListBucketResult>`, "NextContinuationToken", "/data?list-type=2&continuation-token=", "continuation-token"},
		{`<ListBucketResult><ContinuationToken>dGVhbSBhL2s=</ContinuationToken></ListBucketResult>`, "ContinuationToken", "/data?list-type=2&continuation-token=", "continuation-token"},
		{`<InitiateMultipartUploadResult><UploadId>u/1</UploadId></InitiateMultipartUploadResult>`, "UploadId", "/data/k?uploadId=", "uploadId"},
		{`<ListPartsResult><UploadId>u</UploadId></ListPartsResult>`, "UploadId", "/data/k?partNumber=1&uploadId=", "uploadId"},
		{`<ListMultipartUploadsResult><Upload><UploadId>u</UploadId></Upload></ListMultipartUploadsResult>`, "UploadId", "/data/k?uploadId=", "uploadId"},
		{`<ListMultipartUploadsResult><NextUploadIdMarker>u</NextUploadIdMarker></ListMultipartUploadsResult>`, "NextUploadIdMarker", "/data?uploads&upload-id-marker=", "upload-id-marker"},
		{`<ListMultipartUploadsResult><UploadIdMarker>u</UploadIdMarker></ListMultipartUploadsResult>`, "UploadIdMarker", "/data?uploads&upload-id-marker=", "upload-id-marker"},
		{`<ListObjectAnnotationsResult><NextContinuationToken>a</NextContinuationToken></ListObjectAnnotationsResult>`, "NextContinuationToken", "/data/k?annotation&continuation-token=", "continuation-token"},
		{`<Error><Code>NoSuchUpload</Code><UploadId>u</UploadId></Error>`, "UploadId", "/data/k?uploadId=", "uploadId"},
	} {
		got, err := rewritten(Response{Place: Place{Bucket: team}}, c.document)
		was, is := between(c.document, c.element), between(got, c.element)
		if err != nil || is == "" || is == was {
			t.Errorf("%s became %s, %v", c.document, got, err)
			continue
		}
		r := request(t, "GET", c.target+is)
		q, err := Query(team, r.Operation, r.Query)
		if back, _ := q.Get(c.param); back != was || err != nil {
			t.Errorf("%s came back as %q, %v", was, back, err)
		}
		whole := &stores.Bucket{Name: "data", Remote: "lake"}
		if got, err := rewritten(Response{Place: Place{Bucket: whole}}, c.document); between(got, c.element) != was || err != nil {
			t.Errorf("without a folder %s became %s, %v", c.document, got, err)
		}
		if q, err := Query(whole, r.Operation, r.Query); err != nil || q.Encode() != r.Query.Encode() {
			t.Errorf("without a folder: %s, %v", q.Encode(), err)
		}
	}
}

func between(document, element string) string {
	_, rest, _ := strings.Cut(document, "<"+element+">")
	text, _, _ := strings.Cut(rest, "</"+element+">")
	return text
}

func TestTokensThatWereNotSealedHereAreRefused(t *testing.T) {
	other := *team
	other.Name = "other" // of the same pattern
	seal := func(b *stores.Bucket, what string) string {
		text, err := sealed(b, what, "team a/k")
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for target, want := range map[string]*s3err.Error{
		"/data?list-type=2&continuation-token=team%20a/k":                         s3err.InvalidArgument,
		"/data?list-type=2&continuation-token=dGVhbSBhL2s=":                       s3err.InvalidArgument,
		"/data?list-type=2&continuation-token=" + seal(&other, continuationToken): s3err.InvalidArgument,
		"/data?list-type=2&continuation-token=" + seal(team, uploadID):            s3err.InvalidArgument,
		"/data?uploads&upload-id-marker=u":                                        s3err.InvalidArgument,
		"/data/k?uploadId=u":                                                      s3err.NoSuchUpload,
		"/data/k?uploadId=" + seal(&other, uploadID):                              s3err.NoSuchUpload,
		"/data/k?uploadId=" + seal(team, continuationToken):                       s3err.NoSuchUpload,
		"/data?list-type=2&continuation-token=" + seal(team, continuationToken):   nil,
		"/data?list-type=2&continuation-token=":                                   nil, // the same as none
		"/data?uploads&upload-id-marker=":                                         nil,
	} {
		r := request(t, "GET", target)
		q, err := Query(team, r.Operation, r.Query)
		if want == nil && err != nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %s, %v", target, q.Encode(), err)
		}
	}
}

func TestWithoutAKeyNothingIsTold(t *testing.T) {
	keyless := &stores.Bucket{Name: "data", Remote: "lake", Prefix: "team a/"}
	got, err := rewritten(Response{Place: Place{Bucket: keyless}}, `<ListBucketResult><NextContinuationToken>team a/k</NextContinuationToken></ListBucketResult>`)
	if err == nil || strings.Contains(got, "team") {
		t.Errorf("got %s, %v", got, err)
	}
}
