package pipeline

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"osp/go/callbacks"
	"osp/go/pipeline/pipelinetest"
	"osp/go/s3op"
	"osp/go/secret"
)

func TestASignedRequestGoesToTheStoreSignedAgain(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	a := r.Do(r.Signed("PUT", "/photos/a%20b%2Bc/d/", "content", "Content-Type", "text/x", "X-Amz-Meta-Name", "value"))
	if a.StatusCode != 200 || a.Header.Get("ETag") != `"stored"` {
		t.Fatalf("got %d %s", a.StatusCode, a.Content)
	}
	got := r.Store.Only(t)
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
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Range", "bytes 0-3/10")
		w.Header().Set("X-Amz-Version-Id", "v1")
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
		w.Header()["Content-Type"] = nil
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write([]byte("0123"))
	})
	a := r.Do(r.Signed("GET", "/photos/k?partNumber=1", "", "Range", "bytes=0-3"))
	if a.StatusCode != 206 || string(a.Content) != "0123" || a.Header.Get("Content-Range") == "" || a.Header.Get("X-Amz-Version-Id") != "v1" {
		t.Errorf("got %d %q %v", a.StatusCode, a.Content, a.Header)
	}
	if a.Header.Get("X-Hop") != "" || a.Header["Content-Type"] != nil {
		t.Errorf("headers that the store did not mean: %v", a.Header)
	}
	if got := r.Store.Only(t); got.Header.Get("Range") != "bytes=0-3" || got.Target != "/photos/k?partNumber=1" {
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
		r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte("<Error><Code>" + c.code + "</Code><AWSAccessKeyId>" + storeKey + "</AWSAccessKeyId></Error>"))
		})
		a := r.Do(r.Signed("GET", "/photos/k", ""))
		if a.Code() != c.want {
			t.Errorf("%s became %s", c.code, a.Code())
		}
		if c.code != c.want && strings.Contains(string(a.Content), storeKey) {
			t.Errorf("%s: the answer names the store's key", c.code)
		}
	}
}

func TestWithoutKeysNobodyCanSign(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"hmac_keystore": nil})
	r.Refuses(r.Signed("GET", "/photos/k", ""), 403, "InvalidAccessKeyId")
}

func TestAnUnknownBucketShowsOnlyToWhoCanSign(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	r.Refuses(r.Signed("GET", "/nowhere/k", ""), 404, "NoSuchBucket")
	r.Refuses(r.Request("GET", "/nowhere/k", ""), 403, "AccessDenied")
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
	r.Refuses(r.Signed("GET", "/other/k", ""), 403, "AccessDenied")
	r.Refuses(r.Signed("PUT", "/photos/k", "", "X-Amz-Copy-Source", "/other/secret"), 403, "AccessDenied")
	r.Refuses(r.Signed("PUT", "/photos/k?partNumber=1&uploadId=u", "", "X-Amz-Copy-Source", "other/secret"), 403, "AccessDenied")
	if a := r.Do(r.Signed("GET", "/photos/k", "")); a.StatusCode != 200 {
		t.Errorf("got %d %s", a.StatusCode, a.Content)
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
	if a := r.Do(r.Signed("PUT", "/photos/to", "", "X-Amz-Copy-Source", "/other/a%20b?versionId=v9")); a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.Content)
	}
	if want := []string{"CopyObject photos/to ", "GetObject other/a b v9"}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
	if got := r.Store.Only(t).Header.Get("X-Amz-Copy-Source"); got != "other/a%20b?versionId=v9" {
		t.Errorf("the store saw the source %q", got)
	}
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
	r.Config.Stores.Buckets.Find("photos").AccessKey = "" // the entry gives none
	if a := r.Do(r.Signed("GET", "/photos/k", "")); a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.Content)
	}
	got := r.Store.Only(t)
	if !strings.Contains(got.Header.Get("Authorization"), "Credential=for-photos/") || got.Header.Get("X-Amz-Security-Token") != "ses" {
		t.Errorf("the store saw %v", got.Header)
	}
}

func TestAPresignedURLIsUsedUpAfterItsLimit(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"max_presign_url_usage_attempts": 2})
	target := r.Presigned("GET", "/photos/k", 0)
	for range 2 {
		if a := r.Do(r.Request("GET", target, "")); a.StatusCode != 200 {
			t.Fatalf("got %d %s", a.StatusCode, a.Content)
		}
	}
	path, query, _ := strings.Cut(target, "?")
	parameters := strings.Split(query, "&")
	slices.Reverse(parameters)
	for _, again := range []string{target, path + "?" + strings.Join(parameters, "&")} {
		if a := r.Do(r.Request("GET", again, "")); a.StatusCode != 403 || a.Code() != "AccessDenied" {
			t.Errorf("used too often: got %d %s", a.StatusCode, a.Content)
		}
	}
	if n := len(r.Store.Requests()); n != 2 {
		t.Errorf("%d requests reached the store", n)
	}
	if got := r.Store.Requests()[0].Target; got != "/photos/k" {
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
		url := r.Presigned(method, target, 0)
		if first := r.Do(r.Request(method, url, "")); first.StatusCode != 200 {
			return // it came to nothing
		}
		used[parsed.Operation] = true
		if again := r.Do(r.Request(method, url, "")); again.StatusCode != 403 || method != "HEAD" && !strings.Contains(string(again.Content), "as often as") {
			t.Errorf("%s %s, again: got %d %s", method, target, again.StatusCode, again.Content)
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
	r.Store.Close()
	r.Refuses(r.Signed("GET", "/photos/k", ""), 502, "BadGateway")
	r.Refuses(r.Signed("PUT", "/photos/k", "body"), 502, "BadGateway")
}

func TestHeadAnswersHaveNoBodyAndKeepTheirLength(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "5368709120") })
	if a := r.Do(r.Signed("HEAD", "/photos/k", "")); a.StatusCode != 200 || a.ContentLength != 5<<30 {
		t.Errorf("got %d with length %d", a.StatusCode, a.ContentLength)
	}
	if a := r.Do(r.Request("HEAD", "/photos/k", "")); a.StatusCode != 403 || len(a.Content) != 0 {
		t.Errorf("unsigned: got %d %q", a.StatusCode, a.Content)
	}
}

func TestBytesReachTheClientAsTheyCome(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	more := make(chan struct{})
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("first"))
		_ = http.NewResponseController(w).Flush()
		<-more
		_, _ = w.Write([]byte("second"))
	})
	resp, err := pipelinetest.Client.Do(r.Signed("GET", "/photos/k", ""))
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
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("first"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	resp, err := pipelinetest.Client.Do(r.Signed("GET", "/photos/k", ""))
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
	r.pipeline.access = nil // whatever could be wrong inside
	r.Refuses(r.Signed("GET", "/photos/k", ""), 500, "InternalError")
	if !strings.Contains(r.Log.String(), "panic in a request") {
		t.Error("nothing in the log")
	}
}

func TestLengthsOfHugeObjectsAndEmptyOnesPass(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	for _, length := range []string{"0", "5368709120", "5497558138880"} {
		r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", length) })
		if a := r.Do(r.Signed("HEAD", "/photos/k", "")); a.Header.Get("Content-Length") != length {
			t.Errorf("%s became %q", length, a.Header.Get("Content-Length"))
		}
	}
}

func TestSpacesOfALongCompletionReachTheClientAtOnce(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	seen := make(chan struct{})
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<?xml version=\"1.0\"?>\n  ")
		_ = http.NewResponseController(w).Flush()
		<-seen // the store works on, until the client has seen that
		_, _ = io.WriteString(w, "<Error><Code>InternalError</Code></Error>")
	})
	resp, err := pipelinetest.Client.Do(r.Signed("POST", "/photos/k?uploadId=u", "<CompleteMultipartUpload/>"))
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
