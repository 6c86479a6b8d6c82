package pipeline

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"osp/go/callbacks"
	"osp/go/pipeline/pipelinetest"
)

// twoStores is a rig with the entry "target" at its store and "from" at another one.
type twoStores struct {
	*rig
	from *pipelinetest.Store
}

func startTwo(t *testing.T, h callbacks.Set, o Options, from, to settings) *twoStores {
	t.Helper()
	return startTwoWith(t, h, nil, o, from, to)
}

// startTwoWith is startTwo with changes of the configuration.
func startTwoWith(t *testing.T, h callbacks.Set, change settings, o Options, from, to settings) *twoStores {
	t.Helper()
	other := pipelinetest.NewStore(t)
	at, err := url.Parse(other.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		t.Fatal(err)
	}
	source := settings{"port": port, "access_key": "FROMKEY", "secret_key": "from-secret"}
	for name, value := range from {
		source[name] = value
	}
	r := &twoStores{observed(t, h, change, map[string]settings{"from": source, "target": to}, o), other}
	other.Answers(object("hello", nil))
	return r
}

// object answers as a store that has this object, with tags.
func object(body string, header http.Header) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("tagging") {
			_, _ = io.WriteString(w, "<Tagging><TagSet><Tag><Key>a b</Key><Value>1&amp;2</Value></Tag></TagSet></Tagging>")
			return
		}
		sum := md5.Sum([]byte(body))
		h := w.Header()
		h.Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
		h.Set("Content-Type", "text/x")
		h.Set("X-Amz-Meta-Colour", "blue")
		h.Set("Last-Modified", "Sun, 01 Mar 2026 11:00:00 GMT")
		for name, values := range header {
			h[name] = values
		}
		http.ServeContent(w, r, "", time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC), strings.NewReader(body))
	}
}

// copy is the request for a copy of from/k to target/k.
func (r *twoStores) copy(header ...string) *http.Request {
	return r.Signed("PUT", "/target/k", "", append([]string{"X-Amz-Copy-Source", "/from/k"}, header...)...)
}

func keyOf(r pipelinetest.StoreRequest) string {
	_, after, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ := strings.Cut(after, "/")
	return key
}

func TestACopyBetweenTwoStoresIsReadFromOneAndWrittenToTheOther(t *testing.T) {
	r := startTwo(t, callbacks.Set{}, Options{}, settings{"bucket": "lake", "prefix": "team/"}, settings{"bucket": "sea"})
	a := r.Do(r.copy("X-Amz-Storage-Class", "COLD", "X-Amz-Acl", "private"))
	if a.StatusCode != 200 || !strings.Contains(string(a.Content), "<CopyObjectResult") || !strings.Contains(string(a.Content), "&#34;stored&#34;") {
		t.Fatalf("got %d %s", a.StatusCode, a.Content)
	}
	read := r.from.Requests()
	if len(read) != 2 || read[0].Target != "/lake/team/k" || read[1].Target != "/lake/team/k?tagging=" || keyOf(read[0]) != "FROMKEY" {
		t.Fatalf("the source's store saw %+v", read)
	}
	put := r.Store.Only(t)
	if put.Method != "PUT" || put.Target != "/sea/k" || keyOf(put) != storeKey || !put.Complete || !strings.Contains(string(put.Body), "hello") {
		t.Errorf("the target's store saw %+v", put)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/x", "X-Amz-Meta-Colour": "blue", "X-Amz-Tagging": "a%20b=1%262", "X-Amz-Storage-Class": "COLD",
		"X-Amz-Acl": "private", "X-Amz-Copy-Source": "", "X-Amz-Trailer": "x-amz-checksum-crc64nvme", "X-Amz-Decoded-Content-Length": "5",
		"Content-Md5": "XUFAKrxLKna5cZ2REBfFkg==",
	} {
		if got := put.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestOnlyWhatOneStoreAndOneSetOfCredentialsCanDoIsLeftToIt(t *testing.T) {
	for name, c := range map[string]struct {
		other  settings
		native bool
	}{
		"the same credentials":             {nil, true},
		"another key":                      {settings{"access_key": "OTHER"}, false},
		"the same key with another secret": {settings{"secret_key": "other"}, false},
	} {
		r := entries(t, callbacks.Set{}, nil, map[string]settings{"target": {}, "from": c.other})
		r.Store.Answers(object("hello", nil))
		r.Do(r.Signed("PUT", "/target/k", "", "X-Amz-Copy-Source", "/from/k"))
		seen := r.Store.Requests()
		if native := len(seen) == 1 && seen[0].Header.Get("X-Amz-Copy-Source") == "from/k"; native != c.native {
			t.Errorf("%s: the store saw %+v", name, seen)
		}
	}
}

func TestAStoresRefusalOfACopyIsToldInTheClientsNames(t *testing.T) {
	refuses := func(status int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && code == "InvalidTag" {
				object("hello", nil)(w, r)
				return
			}
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>lake/team/k is secret</Message><BucketName>lake</BucketName></Error>", code)
		}
	}
	for name, c := range map[string]struct {
		from, to http.HandlerFunc
		status   int
		code     string
		about    string
	}{
		"no source":                  {refuses(404, "NoSuchKey"), nil, 404, "NoSuchKey", "<BucketName>from</BucketName>"},
		"a source in an archive":     {refuses(403, "InvalidObjectState"), nil, 403, "InvalidObjectState", "<BucketName>from</BucketName>"},
		"a busy source":              {refuses(503, "SlowDown"), nil, 503, "SlowDown", "<BucketName>from</BucketName>"},
		"a target that refuses":      {object("hello", nil), refuses(400, "InvalidTag"), 400, "InvalidTag", "<BucketName>target</BucketName>"},
		"a target with a condition":  {object("hello", nil), refuses(412, "PreconditionFailed"), 412, "PreconditionFailed", "<BucketName>target</BucketName>"},
		"a target that got other":    {object("hello", nil), refuses(400, "BadDigest"), 502, "BadGateway", ""},
		"a source that refuses keys": {refuses(403, "InvalidAccessKeyId"), nil, 403, "AccessDenied", ""},
		"a target that refuses keys": {object("hello", nil), refuses(403, "SignatureDoesNotMatch"), 403, "AccessDenied", ""},
		"no words at all":            {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, nil, 404, "NotFound", "<BucketName>from</BucketName>"},
	} {
		r := startTwo(t, callbacks.Set{}, Options{}, settings{"bucket": "lake", "prefix": "team/"}, settings{"bucket": "sea"})
		r.from.Answers(c.from)
		if c.to != nil {
			r.Store.Answers(c.to)
		}
		a := r.Do(r.copy())
		if text := string(a.Content); a.StatusCode != c.status || a.Code() != c.code || !strings.Contains(text, c.about) ||
			strings.Contains(text, "lake") || strings.Contains(text, "sea") || strings.Contains(text, "secret") {
			t.Errorf("%s: got %d %s", name, a.StatusCode, a.Content)
		}
		if c.to == nil {
			r.Store.Untouched(t)
		}
	}
}

func TestTagsThatMayNotBeReadFailACopy(t *testing.T) {
	for status, want := range map[int]int{403: 403, 501: 200} { // a store that knows no tags has none
		r := startTwo(t, callbacks.Set{}, Options{}, nil, nil)
		r.from.Answers(func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Query().Has("tagging") {
				w.WriteHeader(status)
				return
			}
			object("hello", nil)(w, req)
		})
		if a := r.Do(r.copy()); a.StatusCode != want {
			t.Errorf("%d for the tags: got %d %s", status, a.StatusCode, a.Content)
		}
		if a := r.Do(r.copy("X-Amz-Tagging-Directive", "REPLACE", "X-Amz-Tagging", "c=d")); a.StatusCode != 200 {
			t.Errorf("tags that are replaced were read: got %d %s", a.StatusCode, a.Content)
		}
	}
}

// broken answers with the head of an object and half of it.
func broken(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("tagging") {
		object("", nil)(w, r)
		return
	}
	h := w.Header()
	h.Set("ETag", `"e"`)
	h.Set("Last-Modified", "Sun, 01 Mar 2026 11:00:00 GMT")
	h.Set("Content-Length", strconv.Itoa(4<<20))
	_, _ = w.Write(make([]byte, 2<<20))
	panic(http.ErrAbortHandler)
}

func TestNothingPartialIsStoredWhenASourceBreaksOff(t *testing.T) {
	r := startTwo(t, callbacks.Set{}, Options{}, nil, nil)
	r.from.Answers(broken)
	if a := r.Do(r.copy()); a.StatusCode != 502 || a.Code() != "BadGateway" {
		t.Errorf("got %d %s", a.StatusCode, a.Content)
	}
	r.Store.Untouched(t)
}

func TestBytesThatDifferFromTheSourcesChecksumAreNotStored(t *testing.T) {
	r := startTwo(t, callbacks.Set{}, Options{}, nil, nil)
	r.from.Answers(object("hello", http.Header{"X-Amz-Checksum-Crc32": {"AAAAAA=="}}))
	if a := r.Do(r.copy()); a.StatusCode != 502 || a.Code() != "BadGateway" {
		t.Errorf("got %d %s", a.StatusCode, a.Content)
	}
	r.Store.Untouched(t)
}

func TestATargetThatKeepsOtherBytesIsFoundOut(t *testing.T) {
	r := startTwo(t, callbacks.Set{}, Options{}, nil, settings{"checksums": "verify"})
	r.from.Answers(object("hello", http.Header{"Etag": {`"of-parts-2"`}}))
	r.Store.Answers(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("X-Amz-Version-Id", "v1")
		w.Header().Set("ETag", `"00000000000000000000000000000000"`)
		if req.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNoContent)
		}
	})
	if a := r.Do(r.copy()); a.StatusCode != 502 || a.Code() != "BadGateway" || !strings.Contains(string(a.Content), "was deleted") {
		t.Errorf("got %d %s", a.StatusCode, a.Content)
	}
	if seen := r.Store.Requests(); len(seen) != 2 || seen[1].Method != "DELETE" || seen[1].Target != "/target/k?versionId=v1" || keyOf(seen[1]) != storeKey {
		t.Errorf("the target's store saw %+v", seen)
	}
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"5d41402abc4b2a76b9719d911017c592"`)
	})
	if a := r.Do(r.copy()); a.StatusCode != 200 {
		t.Errorf("got %d %s", a.StatusCode, a.Content)
	}
}

func TestAnErrorAfterALongSilenceComesWithinA200(t *testing.T) {
	for _, fails := range []bool{false, true} {
		r := startTwo(t, callbacks.Set{}, Options{}, settings{"bucket": "lake"}, nil)
		r.pipeline.copySilence = time.Millisecond
		spaces := make(chan struct{})
		r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
			<-spaces
			if fails {
				w.WriteHeader(503)
				_, _ = io.WriteString(w, "<Error><Code>SlowDown</Code></Error>")
			} else {
				w.Header().Set("ETag", `"e"`)
			}
		})
		resp, err := pipelinetest.Client.Do(r.copy())
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		begun := make([]byte, 60) // the declaration and some spaces
		if _, err := io.ReadFull(resp.Body, begun); err != nil || resp.StatusCode != 200 {
			t.Fatal(resp.StatusCode, err)
		}
		close(spaces)
		rest, err := io.ReadAll(resp.Body)
		text := strings.TrimLeft(string(begun)+string(rest), " ")
		want := "<CopyObjectResult"
		if fails {
			want = "<Error><Code>SlowDown</Code>"
		}
		if err != nil || !strings.HasPrefix(text, "<?xml") || strings.Count(text, "<?xml") != 1 || !strings.Contains(text, "  "+want) {
			t.Errorf("got %v %q", err, text)
		}
	}
}

func TestAClientThatLeavesEndsItsCopy(t *testing.T) {
	r := startTwo(t, callbacks.Set{}, Options{}, nil, nil)
	reading, ended := make(chan struct{}), make(chan struct{})
	r.from.Answers(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Query().Has("tagging") {
			object("", nil)(w, req)
			return
		}
		h := w.Header()
		h.Set("ETag", `"e"`)
		h.Set("Last-Modified", "Sun, 01 Mar 2026 11:00:00 GMT")
		h.Set("Content-Length", strconv.Itoa(4<<20))
		_, _ = w.Write(make([]byte, 2<<20))
		_ = http.NewResponseController(w).Flush()
		close(reading)
		<-req.Context().Done()
		close(ended)
	})
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		<-reading
		leave()
	}()
	if resp, err := pipelinetest.Client.Do(r.copy().WithContext(ctx)); err == nil {
		_ = resp.Body.Close()
		t.Fatal("there was a response")
	}
	<-ended
	r.Store.Untouched(t)
}

func TestASourceThatChangedIsNotReadASecondTime(t *testing.T) {
	var puts atomic.Int32
	r := startTwo(t, callbacks.Set{}, Options{}, nil, nil)
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		puts.Add(1)
		r.from.Answers(object("other", nil))
		w.Header().Set("X-Amz-Bucket-Region", "eu-west-7")
		w.WriteHeader(301)
	})
	if a := r.Do(r.copy()); a.StatusCode != 503 || puts.Load() != 1 {
		t.Errorf("got %d %s after %d uploads", a.StatusCode, a.Content, puts.Load())
	}
}

func TestWhatSThreeLacksIsNotPartOfACopyBetweenTwoStores(t *testing.T) {
	r := startTwo(t, callbacks.Set{}, Options{}, nil, settings{"unknown_operations": true})
	req := r.Signed("PUT", "/target/k?bogus=1", "", "X-Amz-Copy-Source", "/from/k")
	r.Refuses(req, 501, "NotImplemented")
}
