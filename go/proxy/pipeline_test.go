package proxy

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"osp/go/callbacks"
	"osp/go/s3op"
	"osp/go/secret"
)

func TestASignedRequestGoesToTheStoreSignedAgain(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	a := r.do(r.signed("PUT", "/photos/a%20b%2Bc/d/", "content", "Content-Type", "text/x", "X-Amz-Meta-Name", "value"))
	if a.StatusCode != 200 || a.Header.Get("ETag") != `"stored"` {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	got := r.store.only(t)
	if got.Method != "PUT" || got.Target != "/photos/a%20b%2Bc/d/" || string(got.Body) != "content" || got.Length != 7 {
		t.Errorf("the store saw %s %s with %d bytes: %q", got.Method, got.Target, got.Length, got.Body)
	}
	if got.Header.Get("Content-Type") != "text/x" || got.Header.Get("X-Amz-Meta-Name") != "value" {
		t.Errorf("headers: %v", got.Header)
	}
	if auth := got.Header.Get("Authorization"); !strings.Contains(auth, "Credential="+storeKey+"/") || strings.Contains(auth, clientKey) {
		t.Errorf("Authorization: %s", auth)
	}
}

func TestThePathsOfTheStoresAnswerComeThrough(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	r.store.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Range", "bytes 0-3/10")
		w.Header().Set("X-Amz-Version-Id", "v1")
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
		w.Header()["Content-Type"] = nil
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write([]byte("0123"))
	})
	a := r.do(r.signed("GET", "/photos/k?partNumber=1", "", "Range", "bytes=0-3"))
	if a.StatusCode != 206 || string(a.body) != "0123" || a.Header.Get("Content-Range") == "" || a.Header.Get("X-Amz-Version-Id") != "v1" {
		t.Errorf("got %d %q %v", a.StatusCode, a.body, a.Header)
	}
	if a.Header.Get("X-Hop") != "" || a.Header["Content-Type"] != nil {
		t.Errorf("headers that the store did not mean: %v", a.Header)
	}
	if got := r.store.only(t); got.Header.Get("Range") != "bytes=0-3" || got.Target != "/photos/k?partNumber=1" {
		t.Errorf("the store saw %s with %v", got.Target, got.Header)
	}
}

func TestAStoreErrorPassesUnlessItIsAboutTheProxysKeys(t *testing.T) {
	for _, c := range []struct {
		status     int
		code, want string
	}{
		{404, "NoSuchKey", "NoSuchKey"},
		{403, "AccessDenied", "AccessDenied"},
		{400, "EntityTooSmall", "EntityTooSmall"},
		{403, "SignatureDoesNotMatch", "AccessDenied"},
		{403, "InvalidAccessKeyId", "AccessDenied"},
		{400, "ExpiredToken", "AccessDenied"},
	} {
		r := start(t, callbacks.Set{}, nil)
		r.store.answers(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte("<Error><Code>" + c.code + "</Code><AWSAccessKeyId>" + storeKey + "</AWSAccessKeyId></Error>"))
		})
		a := r.do(r.signed("GET", "/photos/k", ""))
		if a.code() != c.want {
			t.Errorf("%s became %s", c.code, a.code())
		}
		if c.code != c.want && strings.Contains(string(a.body), storeKey) {
			t.Errorf("%s: the answer names the store's key", c.code)
		}
	}
}

func TestWithoutKeysNobodyCanSign(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"hmac_keystore": nil})
	r.refuses(r.signed("GET", "/photos/k", ""), 403, "InvalidAccessKeyId")
	if !strings.Contains(r.log.String(), "nobody can sign") {
		t.Error("no warning at start")
	}
}

func TestAnUnknownBucketShowsOnlyToWhoCanSign(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	r.refuses(r.signed("GET", "/nowhere/k", ""), 404, "NoSuchBucket")
	r.refuses(r.request("GET", "/nowhere/k", ""), 403, "AccessDenied")
}

func TestTheValidatorDecides(t *testing.T) {
	h := callbacks.Set{Validator: func(_ context.Context, r *callbacks.Request) (callbacks.Decision, error) {
		switch {
		case r.Bucket == "photos":
			return callbacks.Decision{Allow: true}, nil
		case r.Bucket == "other":
			return callbacks.Decision{}, nil
		}
		return callbacks.Decision{}, errors.New("raised")
	}}
	r := start(t, h, nil)
	r.refuses(r.signed("GET", "/other/k", ""), 403, "AccessDenied")
	r.refuses(r.signed("PUT", "/photos/k", "", "X-Amz-Copy-Source", "/other/secret"), 403, "AccessDenied")
	r.refuses(r.signed("PUT", "/photos/k?partNumber=1&uploadId=u", "", "X-Amz-Copy-Source", "other/secret"), 403, "AccessDenied")
	if a := r.do(r.signed("GET", "/photos/k", "")); a.StatusCode != 200 {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}

func TestACopyGoesOnWhenBothObjectsAreAllowed(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	h := callbacks.Set{ValidatorSeesRequest: true, Validator: func(_ context.Context, r *callbacks.Request) (callbacks.Decision, error) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Operation+" "+r.Bucket+"/"+r.Key+" "+r.VersionID)
		return callbacks.Decision{Allow: true}, nil
	}}
	r := start(t, h, nil)
	if a := r.do(r.signed("PUT", "/photos/to", "", "X-Amz-Copy-Source", "/other/a%20b?versionId=v9")); a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	if want := []string{"CopyObject photos/to ", "GetObject other/a b v9"}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
	if got := r.store.only(t).Header.Get("X-Amz-Copy-Source"); got != "other/a%20b?versionId=v9" {
		t.Errorf("the store saw the source %q", got)
	}
}

func TestListBucketsShowsWhatTheCallerMayList(t *testing.T) {
	h := callbacks.Set{Validator: func(_ context.Context, r *callbacks.Request) (callbacks.Decision, error) {
		return callbacks.Decision{Allow: r.Bucket == "photos"}, nil
	}}
	r := start(t, h, nil)
	a := r.do(r.signed("GET", "/", ""))
	var list struct {
		Buckets []struct{ Name string } `xml:"Buckets>Bucket"`
	}
	if err := xml.Unmarshal(a.body, &list); err != nil || len(list.Buckets) != 1 || list.Buckets[0].Name != "photos" {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	r.refuses(r.request("GET", "/", ""), 403, "AccessDenied")
}

func TestStoreCredentialsComePerToken(t *testing.T) {
	h := callbacks.Set{
		HMACFetcher: func(context.Context, callbacks.HMACQuestion) (callbacks.Secret, error) {
			return callbacks.Secret{Key: secret.New(clientSecret)}, nil
		},
		BucketCredsFetcher: func(_ context.Context, q callbacks.BucketCredsQuestion) (secret.Value, error) {
			return secret.New(`{"access_key": "for-` + q.Bucket + `", "secret_key": "s", "session_token": "ses"}`), nil
		},
	}
	r := start(t, h, nil)
	r.server.cfg.Stores.Buckets.Find("photos").AccessKey = "" // the entry gives none
	if a := r.do(r.signed("GET", "/photos/k", "")); a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	got := r.store.only(t)
	if !strings.Contains(got.Header.Get("Authorization"), "Credential=for-photos/") || got.Header.Get("X-Amz-Security-Token") != "ses" {
		t.Errorf("the store saw %v", got.Header)
	}
}

func TestAPresignedURLIsUsedUpAfterItsLimit(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"max_presign_url_usage_attempts": 2})
	target := r.presigned("GET", "/photos/k", 0)
	for range 2 {
		if a := r.do(r.request("GET", target, "")); a.StatusCode != 200 {
			t.Fatalf("got %d %s", a.StatusCode, a.body)
		}
	}
	path, query, _ := strings.Cut(target, "?")
	parameters := strings.Split(query, "&")
	slices.Reverse(parameters)
	for _, again := range []string{target, path + "?" + strings.Join(parameters, "&")} {
		if a := r.do(r.request("GET", again, "")); a.StatusCode != 403 || a.code() != "AccessDenied" {
			t.Errorf("used too often: got %d %s", a.StatusCode, a.body)
		}
	}
	if n := len(r.store.requests()); n != 2 {
		t.Errorf("%d requests reached the store", n)
	}
	if got := r.store.requests()[0].Target; got != "/photos/k" {
		t.Errorf("the store saw %s", got)
	}
}

func TestEveryOperationUsesAPresignedURLUp(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"max_presign_url_usage_attempts": 1})
	used := map[s3op.Operation]bool{}
	everyRequest(func(method, target string) {
		parsed, err := s3op.Parse(method, target, "", nil)
		if err != nil || parsed.Operation == s3op.Preflight { // which nobody signs
			return
		}
		url := r.presigned(method, target, 0)
		if first := r.do(r.request(method, url, "")); first.StatusCode != 200 {
			return // it came to nothing
		}
		used[parsed.Operation] = true
		if again := r.do(r.request(method, url, "")); again.StatusCode != 403 || method != "HEAD" && !strings.Contains(string(again.body), "as often as") {
			t.Errorf("%s %s, again: got %d %s", method, target, again.StatusCode, again.body)
		}
	})
	for _, op := range []s3op.Operation{s3op.ListBuckets, "HeadBucket", "GetObject", "DeleteObject", "CompleteMultipartUpload", "PutBucketPolicy"} {
		if !used[op] {
			t.Errorf("%s was never used", op)
		}
	}
}

func TestAStoreThatIsDownIsABadGateway(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	r.store.Close()
	r.refuses(r.signed("GET", "/photos/k", ""), 502, "BadGateway")
	r.refuses(r.signed("PUT", "/photos/k", "body"), 502, "BadGateway")
}

func TestHeadAnswersHaveNoBodyAndKeepTheirLength(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	r.store.answers(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "5368709120") })
	if a := r.do(r.signed("HEAD", "/photos/k", "")); a.StatusCode != 200 || a.ContentLength != 5<<30 {
		t.Errorf("got %d with length %d", a.StatusCode, a.ContentLength)
	}
	if a := r.do(r.request("HEAD", "/photos/k", "")); a.StatusCode != 403 || len(a.body) != 0 {
		t.Errorf("unsigned: got %d %q", a.StatusCode, a.body)
	}
}

func TestBytesReachTheClientAsTheyCome(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	more := make(chan struct{})
	r.store.answers(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("first"))
		_ = http.NewResponseController(w).Flush()
		<-more
		_, _ = w.Write([]byte("second"))
	})
	resp, err := plainClient.Do(r.signed("GET", "/photos/k", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	buffer := make([]byte, 100)
	if n, err := resp.Body.Read(buffer); err != nil || string(buffer[:n]) != "first" {
		t.Errorf("got %q, %v", buffer[:n], err)
	}
	close(more)
	if n, _ := resp.Body.Read(buffer); string(buffer[:n]) != "second" {
		t.Errorf("got %q", buffer[:n])
	}
}

func TestAnAnswerThatBreaksOffNeverLooksComplete(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	r.store.answers(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("first"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	resp, err := plainClient.Do(r.signed("GET", "/photos/k", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("the answer came to a clean end")
	}
}

func TestAPanicIsOneRequestsError(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	r.server.handler.access = nil // whatever could be wrong inside
	r.refuses(r.signed("GET", "/photos/k", ""), 500, "InternalError")
	if !strings.Contains(r.log.String(), "panic in a request") {
		t.Error("nothing in the log")
	}
}

func TestStopLetsRequestsInFlightEnd(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	began, end := make(chan struct{}), make(chan struct{})
	r.store.answers(func(w http.ResponseWriter, _ *http.Request) {
		close(began)
		<-end
		_, _ = w.Write([]byte("done"))
	})
	answered := make(chan reply, 1)
	req := r.signed("GET", "/photos/k", "")
	go func() { answered <- r.do(req) }()
	<-began
	stopped := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		stopped <- r.server.Stop(ctx)
	}()
	for { // until the listener is closed: the stop has begun
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.URL, "http://"))
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	close(end)
	if a := <-answered; string(a.body) != "done" {
		t.Errorf("got %d %q", a.StatusCode, a.body)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, err := plainClient.Do(r.request("GET", "/", "")); err == nil {
		t.Error("the port still answers")
	}
}

func TestLengthsOfHugeObjectsAndEmptyOnesPass(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	for _, length := range []string{"0", "5368709120", "5497558138880"} {
		r.store.answers(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", length) })
		if a := r.do(r.signed("HEAD", "/photos/k", "")); a.Header.Get("Content-Length") != length {
			t.Errorf("%s became %q", length, a.Header.Get("Content-Length"))
		}
	}
}

func TestSpacesOfALongCompletionReachTheClientAtOnce(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	seen := make(chan struct{})
	r.store.answers(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<?xml version=\"1.0\"?>\n  ")
		_ = http.NewResponseController(w).Flush()
		<-seen // the store works on, until the client has seen that
		_, _ = io.WriteString(w, "<Error><Code>InternalError</Code></Error>")
	})
	resp, err := plainClient.Do(r.signed("POST", "/photos/k?uploadId=u", "<CompleteMultipartUpload/>"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	begin := make([]byte, len("<?xml version=\"1.0\"?>\n  "))
	if _, err := io.ReadFull(resp.Body, begin); err != nil {
		t.Fatal(err)
	}
	close(seen)
	rest, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || !strings.Contains(string(rest), "InternalError") {
		t.Errorf("%d %s, %v", resp.StatusCode, rest, err)
	}
}
