package proxy

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"osp/go/hooks"
)

// The real names of what the entries of talkative stand for.
const (
	realBucket = "zanzibar"
	realFolder = "quokka"
)

// talkative is a store that names its bucket and folder wherever it can.
func talkative(t *testing.T) *rig {
	return entries(t, hooks.Hooks{}, nil, map[string]settings{
		"data": {"bucket": realBucket, "prefix": realFolder}, "named": {"bucket": realBucket}, "plain": {},
	})
}

// names answers with a document, and with fields that name bucket and folder.
func names(status int, document string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for _, field := range []string{
			"Location", "Content-Location", "Link", "Refresh", "Bucket", "X-Amz-Bucket-Arn", "X-Amz-Error-Message", "X-Amz-Error-Detail-Key",
			"X-Minio-Error-Desc", "X-Rgw-Bucket", "X-Goog-Bucket", "X-Amz-Restore-Output-Path", "Warning",
		} {
			w.Header().Set(field, "/"+realBucket+"/"+realFolder+"/k")
		}
		w.Header().Set("X-Amz-Meta-Mine", "kept")
		w.Header().Set("X-Amz-Abort-Rule-Id", "kept")
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, strings.NewReplacer("BUCKET", realBucket, "FOLDER", realFolder).Replace(document))
	}
}

func TestNoAnswerOfARenamedEntryHasTheStoresNames(t *testing.T) {
	const told = `<Message>/srv/BUCKET/FOLDER/k</Message><Key>FOLDER/k</Key><BucketName>BUCKET</BucketName><Resource>/BUCKET/FOLDER/k</Resource><Endpoint>BUCKET.s3</Endpoint><ArgumentValue>FOLDER/k</ArgumentValue>`
	const refusal = `<Error><Code>Oops</Code>` + told + `</Error>`
	r := talkative(t)
	copying := []string{"X-Amz-Copy-Source", "/data/none"}
	for _, c := range []struct {
		method, target, body string
		status               int
		answer               string
		header               []string
	}{
		{"GET", "/data/k", "", 404, refusal, nil},
		{"HEAD", "/data/k", "", 404, "", nil},
		{"HEAD", "/data", "", 200, "", nil},
		{"HEAD", "/data/k", "", 200, "", nil},
		{"PUT", "/data/k", "body", 200, "", nil},
		{"PUT", "/data/k", "body", 507, refusal, nil},
		{"GET", "/data/k?tagging", "", 301, `<Error><Code>PermanentRedirect</Code>` + told + `</Error>`, nil},
		{"GET", "/data", "", 500, `<html>BUCKET FOLDER</html>`, nil},
		{"GET", "/data?list-type=2", "", 200, `<ListBucketResult><Name>BUCKET</Name><Prefix>FOLDER/</Prefix><NextContinuationToken>FOLDER/k</NextContinuationToken><Contents><Key>FOLDER/k</Key></Contents></ListBucketResult>`, nil},
		{"POST", "/data/k?uploads", "", 200, `<InitiateMultipartUploadResult><Bucket>BUCKET</Bucket><Key>FOLDER/k</Key><UploadId>FOLDER%2Fk</UploadId></InitiateMultipartUploadResult>`, nil},
		{"GET", "/data?uploads", "", 200, `<ListMultipartUploadsResult><Bucket>BUCKET</Bucket><NextUploadIdMarker>FOLDER</NextUploadIdMarker><Upload><Key>FOLDER/k</Key><UploadId>FOLDER</UploadId></Upload></ListMultipartUploadsResult>`, nil},
		{"POST", "/data?delete", "<Delete><Object><Key>k</Key></Object></Delete>", 200, `<DeleteResult><Error><Code>Oops</Code>` + told + `</Error></DeleteResult>`, nil},
		{"PUT", "/data/k", "", 200, refusal, copying},
		{"PUT", "/data/k", "", 404, refusal, copying},
		{"PUT", "/plain/k", "", 404, `<Error><Code>NoSuchKey</Code><Message>BUCKET</Message><Key>FOLDER/none</Key><BucketName>BUCKET</BucketName><Resource>/BUCKET/FOLDER/none</Resource></Error>`, copying},
		{"PUT", "/plain/k", "", 200, refusal, copying},
		{"PUT", "/plain/k?partNumber=1&uploadId=u", "", 404, refusal, copying},
		{"PUT", "/named/k", "", 404, refusal, copying},
		{"PUT", "/data/k", "", 404, refusal, []string{"X-Amz-Copy-Source", "/plain/none"}},
	} {
		r.store.answers(names(c.status, c.answer))
		a := r.do(r.signed(c.method, c.target, c.body, c.header...))
		if a.StatusCode != c.status {
			t.Errorf("%s %s: %d %s", c.method, c.target, a.StatusCode, a.body)
		}
		var all bytes.Buffer
		_ = a.Header.Write(&all)
		all.Write(a.body)
		if s := all.String(); strings.Contains(s, realBucket) || strings.Contains(s, realFolder) || !strings.Contains(s, "kept") {
			t.Errorf("%s %s: %s", c.method, c.target, s)
		}
	}
}

func TestThePlaceInAnErrorAboutACopyIsTheSources(t *testing.T) {
	r := talkative(t)
	r.store.answers(names(404, `<Error><Code>NoSuchKey</Code><Key>FOLDER/none</Key><BucketName>BUCKET</BucketName><Resource>/plain/k</Resource></Error>`))
	a := r.do(r.signed("PUT", "/plain/k", "", "X-Amz-Copy-Source", "/data/none"))
	if want := "<Error><Code>NoSuchKey</Code><Key>none</Key><BucketName>data</BucketName><Resource>/data/none</Resource></Error>"; !strings.HasSuffix(string(a.body), want) {
		t.Errorf("got %s", a.body)
	}
}

func TestTokensThatAStoreNeverGaveDoNotReachIt(t *testing.T) {
	r := talkative(t)
	for _, c := range []struct {
		method, target string
		status         int
		code           string
	}{
		{"GET", "/data?list-type=2&continuation-token=" + realFolder, 400, "InvalidArgument"},
		{"GET", "/data?uploads&upload-id-marker=u&key-marker=k", 400, "InvalidArgument"},
		{"GET", "/data/k?uploadId=u", 404, "NoSuchUpload"},
		{"PUT", "/data/k?uploadId=u&partNumber=1", 404, "NoSuchUpload"},
		{"POST", "/data/k?uploadId=u", 404, "NoSuchUpload"},
		{"DELETE", "/data/k?uploadId=u", 404, "NoSuchUpload"},
	} {
		r.refuses(r.signed(c.method, c.target, ""), c.status, c.code)
	}
}
