package pipeline

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"osp/go/callbacks"
)

// zipped compresses a text as a store would that answers in gzip.
func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func says(status int, coding string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.Header().Set("X-Amz-Request-Id", "STORE1")
		if coding != "" {
			w.Header().Set("Content-Encoding", coding)
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}
}

func TestOnlyContentComesInTheEncodingThatTheClientTakes(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	for _, c := range []struct{ method, target, want string }{
		{"GET", "/photos/k", "gzip"}, {"HEAD", "/photos/k", "gzip"}, {"GET", "/photos/k?versionId=1", "gzip"},
		{"GET", "/photos", "identity"}, {"GET", "/photos/k?tagging", "identity"}, {"PUT", "/photos/k", "identity"},
		{"DELETE", "/photos/k", "identity"}, {"POST", "/photos/k?uploads", "identity"}, {"GET", "/photos/k?uploadId=u", "identity"},
	} {
		before := len(r.Store.Requests())
		r.Do(r.Signed(c.method, c.target, "", "Accept-Encoding", "gzip"))
		if got := r.Store.Requests()[before].Header["Accept-Encoding"]; len(got) != 1 || got[0] != c.want {
			t.Errorf("%s %s: the store was asked for %q, want %s", c.method, c.target, got, c.want)
		}
	}
}

func TestACompressedRefusalIsJudgedLikeAnyOther(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	refusal := "<Error><Code>InvalidAccessKeyId</Code><AWSAccessKeyId>" + storeKey + "</AWSAccessKeyId></Error>"
	for coding, body := range map[string][]byte{"gzip": zipped(t, refusal), "x-gzip": zipped(t, refusal), "br": []byte(refusal)} {
		r.Store.Answers(says(403, coding, body))
		a := r.Do(r.Signed("GET", "/photos/k", "", "Accept-Encoding", "gzip"))
		if a.Code() != "AccessDenied" || strings.Contains(string(a.Content), storeKey) || a.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %d %v %s", coding, a.StatusCode, a.Header, a.Content)
		}
	}
}

func TestARefusalThatCantBeReadMayBeAboutCredentials(t *testing.T) {
	k := &rotation{}
	k.fetched.Store("old")
	k.taken.Store("old")
	r := entries(t, k.callbacks(), nil, map[string]settings{"photos": {"access_key": nil, "secret_key": nil}})
	r.Store.Answers(func(w http.ResponseWriter, q *http.Request) {
		if strings.Contains(q.Header.Get("Authorization"), "Credential="+k.taken.Load().(string)+"/") {
			return
		}
		says(403, "zstd", []byte("\x28\xb5\x2f\xfd"))(w, q)
	})
	for range 2 {
		if a := r.Do(r.Signed("GET", "/photos/k", "")); a.StatusCode != 200 {
			t.Fatalf("with %s: %d %s", k.taken.Load(), a.StatusCode, a.Content)
		}
		k.fetched.Store("new")
		k.taken.Store("new")
	}
	k.taken.Store("nobody's")
	if a := r.Do(r.Signed("GET", "/photos/k", "")); a.StatusCode != 403 || a.Code() != "AccessDenied" {
		t.Errorf("to the end: %d %s", a.StatusCode, a.Content)
	}
}

func TestACompressedRefusalIsToldInPlain(t *testing.T) {
	r := entries(t, callbacks.Set{}, nil, map[string]settings{"photos": {}, "data": {"bucket": "lake", "prefix": "team"}})
	refusal := "<Error><Code>NoSuchKey</Code><Message>lake</Message></Error>"
	for _, c := range []struct {
		name, coding string
		body         []byte
		code         string
	}{
		{"gzip", "gzip", zipped(t, refusal), "NoSuchKey"},
		{"announced and not done", "gzip", []byte(refusal), "NoSuchKey"},
		{"an encoding that is not known here", "zstd", []byte("\x28\xb5\x2f\xfd lake"), "NotFound"},
		{"broken off", "gzip", zipped(t, refusal)[:20], "NotFound"},
		{"a bomb", "gzip", zipped(t, "<Error><Code>NoSuchKey</Code>"+strings.Repeat(" ", 1<<20)+"</Error>"), "NotFound"},
	} {
		for _, bucket := range []string{"photos", "data"} {
			r.Store.Answers(says(404, c.coding, c.body))
			a := r.Do(r.Signed("GET", "/"+bucket+"/k", "", "Accept-Encoding", "gzip"))
			if a.StatusCode != 404 || a.Code() != c.code || a.Header.Get("Content-Encoding") != "" || a.Header.Get("Content-Length") != strconv.Itoa(len(a.Content)) {
				t.Errorf("%s of %s: %d %v %s", c.name, bucket, a.StatusCode, a.Header, a.Content)
			}
			if bucket == "data" && strings.Contains(string(a.Content), "lake") {
				t.Errorf("%s: %s", c.name, a.Content)
			}
		}
	}
	r.Store.Answers(says(404, "gzip", nil))
	if a := r.Do(r.Signed("GET", "/photos/k", "")); a.StatusCode != 404 || len(a.Content) > 0 {
		t.Errorf("an empty one: %d %s", a.StatusCode, a.Content)
	}
}

func TestObjectsStayCompressed(t *testing.T) {
	r := entries(t, callbacks.Set{}, nil, map[string]settings{"data": {"bucket": "lake", "prefix": "team"}})
	body := zipped(t, "content")
	r.Store.Answers(says(200, "gzip", body))
	a := r.Do(r.Signed("GET", "/data/k", "", "Accept-Encoding", "gzip"))
	if !bytes.Equal(a.Content, body) || a.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("%v %q", a.Header, a.Content)
	}
	if a := r.Do(r.Signed("GET", "/data?list-type=2", "")); a.StatusCode != 502 {
		t.Errorf("a listing that can't be read: %d %s", a.StatusCode, a.Content)
	}
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(304)
	})
	if a := r.Do(r.Signed("GET", "/data/k", "")); a.StatusCode != 304 || a.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("not modified: %d %v", a.StatusCode, a.Header)
	}
}

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
