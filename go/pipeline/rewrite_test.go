package pipeline

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"osp/go/callbacks"
	"osp/go/pipeline/pipelinetest"
)

// The real names of what the entries of talkative stand for.
const (
	realBucket = "zanzibar"
	realFolder = "quokka"
)

// talkative is a store that names its bucket and folder wherever it can.
func talkative(t *testing.T) *rig {
	return entries(t, callbacks.Set{}, nil, map[string]settings{
		"data": {"bucket": realBucket, "prefix": realFolder}, "named": {"bucket": realBucket}, "plain": {},
	})
}

// telling answers with a document, and with fields that name bucket and folder.
func telling(status int, document string) http.HandlerFunc {
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
		r.Store.Answers(telling(c.status, c.answer))
		a := r.Do(r.Signed(c.method, c.target, c.body, c.header...))
		if a.StatusCode != c.status {
			t.Errorf("%s %s: %d %s", c.method, c.target, a.StatusCode, a.Content)
		}
		var all bytes.Buffer
		_ = a.Header.Write(&all)
		all.Write(a.Content)
		if s := all.String(); strings.Contains(s, realBucket) || strings.Contains(s, realFolder) || !strings.Contains(s, "kept") {
			t.Errorf("%s %s: %s", c.method, c.target, s)
		}
	}
}

// A store that lacks an operation may list the bucket instead.
func TestAListingInsteadOfAnAnswerHasTheClientsNames(t *testing.T) {
	r := entries(t, callbacks.Set{}, nil, map[string]settings{"named": {"bucket": realBucket, "unknown_operations": true}})
	listing := `<?xml version="1.0"?><!-- a comment --><ListBucketResult xmlns="x"><Name>BUCKET</Name><Contents><Key>k</Key></Contents></ListBucketResult>`
	for _, query := range []string{
		"abac", "metadataConfiguration", "metadataTable", "metrics", "analytics", "requestPayment", "intelligent-tiering", "acl", "policy",
		"location", "versioning", "unheard",
	} {
		r.Store.Answers(telling(200, listing))
		a := r.Do(r.Signed("GET", "/named?"+query, ""))
		if a.StatusCode != 200 || !strings.Contains(string(a.Content), "<Name>named</Name>") || strings.Contains(string(a.Content), realBucket) {
			t.Errorf("%s: %d %s", query, a.StatusCode, a.Content)
		}
	}
	for query, document := range map[string]string{
		"abac": `<AbacStatus><Status>Enabled</Status></AbacStatus>`, "policy": `{"Version": "2012-10-17"}`, "metrics": "", "acl": `<?xml version="1.0"?><AccessControlPolicy/>`,
	} {
		r.Store.Answers(telling(200, document))
		if a := r.Do(r.Signed("GET", "/named?"+query, "")); a.StatusCode != 200 || string(a.Content) != document {
			t.Errorf("%s: %d %s", query, a.StatusCode, a.Content)
		}
	}
	r.Store.Answers(telling(200, "<!--"+strings.Repeat(" ", 8000)+"-->"+listing))
	if a := r.Do(r.Signed("GET", "/named?abac", "")); strings.Contains(string(a.Content), realBucket) {
		t.Errorf("behind a long comment: %d %s", a.StatusCode, a.Content)
	}
}

func TestThePlaceInAnErrorAboutACopyIsTheSources(t *testing.T) {
	r := talkative(t)
	r.Store.Answers(telling(404, `<Error><Code>NoSuchKey</Code><Key>FOLDER/none</Key><BucketName>BUCKET</BucketName><Resource>/plain/k</Resource></Error>`))
	a := r.Do(r.Signed("PUT", "/plain/k", "", "X-Amz-Copy-Source", "/data/none"))
	if want := "<Error><Code>NoSuchKey</Code><Key>none</Key><BucketName>data</BucketName><Resource>/data/none</Resource></Error>"; !strings.HasSuffix(string(a.Content), want) {
		t.Errorf("got %s", a.Content)
	}
}

func TestTheKeyInAnErrorAboutARenameIsTheSources(t *testing.T) {
	r := talkative(t)
	r.Store.Answers(telling(404, `<Error><Code>NoSuchKey</Code><Key>FOLDER/old</Key><BucketName>BUCKET</BucketName></Error>`))
	a := r.Do(r.Signed("PUT", "/data/new?renameObject", "", "X-Amz-Rename-Source", "old"))
	if want := "<Error><Code>NoSuchKey</Code><Key>old</Key><BucketName>data</BucketName></Error>"; !strings.HasSuffix(string(a.Content), want) {
		t.Errorf("got %d %s", a.StatusCode, a.Content)
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
		r.Refuses(r.Signed(c.method, c.target, ""), c.status, c.code)
	}
}

func TestAnswersOfARenamedBucketHaveTheClientsNames(t *testing.T) {
	r := entries(t, callbacks.Set{}, nil, map[string]settings{"data": {"bucket": "lake", "prefix": "team"}})
	r.Store.Answers(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Location", "/lake")
		w.Header().Set("Content-Type", "application/xml")
		if q.URL.Path == "/lake/team/missing" {
			w.WriteHeader(404)
			_, _ = io.WriteString(w, "<Error><Code>NoSuchKey</Code><Key>team/missing</Key><BucketName>lake</BucketName><Resource>/lake/team/missing</Resource></Error>")
			return
		}
		_, _ = io.WriteString(w, "<ListBucketResult><Name>lake</Name><Prefix>team/</Prefix><Contents><Key>team/k</Key></Contents></ListBucketResult>")
	})
	a := r.Do(r.Signed("GET", "/data?list-type=2", ""))
	if want := "<ListBucketResult><Name>data</Name><Prefix></Prefix><Contents><Key>k</Key></Contents></ListBucketResult>"; string(a.Content) != want || a.Header.Get("Location") != "" {
		t.Errorf("got %v %s", a.Header, a.Content)
	}
	a = r.Do(r.Signed("GET", "/data/missing", ""))
	if want := xml.Header + "<Error><Code>NoSuchKey</Code><Key>missing</Key><BucketName>data</BucketName><Resource>/data/missing</Resource></Error>"; string(a.Content) != want || a.StatusCode != 404 || a.ContentLength != int64(len(want)) {
		t.Errorf("got %d %v %s", a.StatusCode, a.Header, a.Content)
	}
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Of-The-Store", "1")
		_, _ = io.WriteString(w, "<ListBucketResult><Contents><Key>other/k</Key></Contents></ListBucketResult>")
	})
	if a := r.Do(r.Signed("GET", "/data?list-type=2", "")); a.StatusCode != 502 || a.Header.Get("X-Of-The-Store") != "" {
		t.Errorf("a store that lists too much: %d %v %s", a.StatusCode, a.Header, a.Content)
	}
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<ListBucketResult>")
		_ = http.NewResponseController(w).Flush() // so that it has no length
		_, _ = io.WriteString(w, "<Contents><Key>other/k</Key></Contents></ListBucketResult>")
	})
	if resp, err := pipelinetest.Client.Do(r.Signed("GET", "/data?list-type=2", "")); err == nil {
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err == nil || strings.Contains(string(body), "other") {
			t.Errorf("a store that lists too much, bit by bit: %s", body)
		}
	}
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(500)
		_, _ = io.WriteString(w, "no XML, but lake")
	})
	if a := r.Do(r.Signed("GET", "/data/k", "")); a.StatusCode != 500 || a.Code() != "InternalError" || strings.Contains(string(a.Content), "lake") {
		t.Errorf("an error that can't be rewritten: %d %s", a.StatusCode, a.Content)
	}
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<Name>lake</Name>") })
	if a := r.Do(r.Signed("GET", "/data/k", "")); string(a.Content) != "<Name>lake</Name>" {
		t.Errorf("an object was rewritten: %s", a.Content)
	}
}

func TestLocationsAreInTheClientsStyle(t *testing.T) {
	r := entries(t, callbacks.Set{}, settings{"domains": []string{"proxy.example"}}, map[string]settings{"data": {"bucket": "lake"}})
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<CompleteMultipartUploadResult><Location>http://store/lake/a</Location></CompleteMultipartUploadResult>")
	})
	for host, path := range map[string]string{"data.proxy.example": "/a%20b", "proxy.example": "/data/a%20b"} {
		const parts = "<CompleteMultipartUpload/>"
		req := r.Request("POST", path+"?uploadId=u", parts)
		req.Host = host
		a := r.Do(r.Sign(req, parts))
		if want := fmt.Sprintf("<Location>http://%s%s</Location>", host, path); !strings.Contains(string(a.Content), want) {
			t.Errorf("got %s, want %s", a.Content, want)
		}
		var parsed struct{ Location string }
		if err := xml.Unmarshal(a.Content, &parsed); err != nil {
			t.Error(err)
		}
	}
}
