package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"osp/go/callbacks"
	"osp/go/observe"
)

// onlooker keeps what it is shown.
type onlooker struct {
	mu   sync.Mutex
	seen []observe.Exchange
	came chan struct{}
}

func (o *onlooker) Ended(x *observe.Exchange) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, *x)
	o.came <- struct{}{}
}

// next waits for a request to end, and returns it.
func (o *onlooker) next(t *testing.T) observe.Exchange {
	t.Helper()
	select {
	case <-o.came:
	case <-time.After(20 * time.Second):
		t.Fatal("no request ended")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen[len(o.seen)-1]
}

// watched is start with an onlooker.
func watched(t *testing.T, h callbacks.Set, change settings) (*rig, *onlooker) {
	t.Helper()
	r := entries(t, h, change, map[string]settings{"photos": {}, "team-*": {}})
	o := &onlooker{came: make(chan struct{}, 1000)}
	r.server.handler.watch.observers = append(r.server.handler.watch.observers, o)
	return r, o
}

func TestARequestIsSeenWithAllThatIsKnownOfIt(t *testing.T) {
	r, o := watched(t, callbacks.Set{Validator: func(context.Context, *callbacks.Request) (callbacks.Decision, error) {
		time.Sleep(time.Millisecond)
		return callbacks.Decision{Allow: true}, nil
	}}, settings{"metrics_port": 0, "trusted_proxies": []string{"127.0.0.1"}, "access_log": "python"})
	r.store.answers(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(time.Millisecond)
		w.WriteHeader(http.StatusPartialContent)
		_, _ = io.WriteString(w, "twelve bytes")
	})
	req := r.signed("PUT", "/team-a/a%20b?tagging", "content", "User-Agent", "agent/1", "Referer", "https://x/?token=1", "X-Forwarded-For", "192.0.2.9")
	r.do(req)
	x := o.next(t)
	if x.Method != "PUT" || x.Operation != "PutObjectTagging" || x.Bucket != "team-a" || x.Entry != "team-*" || x.Key != "a b" || x.Path != "/team-a/a%20b" {
		t.Errorf("%+v", x)
	}
	if x.Status != 206 || x.Code != "" || x.BytesIn != 7 || x.BytesOut != 12 || x.AccessKey != clientKey || x.Presigned || x.BadSignature {
		t.Errorf("%+v", x)
	}
	if x.Client != "192.0.2.9" || x.UserAgent != "agent/1" || x.Referer != "https://x/" || x.Scheme != "http" || x.Proto != "HTTP/1.1" || len(x.RequestID) != 16 {
		t.Errorf("%+v", x)
	}
	if !x.Asked || x.StoreError != "" || x.Upstream < time.Millisecond || x.Callback < time.Millisecond || x.Total < x.Upstream+x.Callback || time.Since(x.Begun) > time.Minute {
		t.Errorf("%+v", x)
	}
}

func TestEveryEndOfARequestIsSeen(t *testing.T) {
	r, o := watched(t, callbacks.Set{Validator: func(_ context.Context, q *callbacks.Request) (callbacks.Decision, error) {
		return callbacks.Decision{Allow: q.Key != "secret"}, nil
	}, ValidatorSeesRequest: true}, settings{"max_presign_url_usage_attempts": 1})
	type want struct {
		status              int
		code, entry, store  string
		badSignature, asked bool
	}
	check := func(name string, w want) {
		t.Helper()
		x := o.next(t)
		if got := (want{x.Status, x.Code, x.Entry, x.StoreError, x.BadSignature, x.Asked}); got != w {
			t.Errorf("%s: %+v, want %+v", name, got, w)
		}
	}
	r.do(r.request("GET", "/photos/a?acl&tagging", ""))
	check("two subresources", want{400, "InvalidArgument", "", "", false, false})
	r.do(r.request("GET", "/photos/k", ""))
	check("unsigned", want{403, "AccessDenied", "photos", "", true, false})
	tampered := r.signed("GET", "/photos/k", "")
	tampered.URL.Path = "/photos/other"
	r.do(tampered)
	check("tampered", want{403, "SignatureDoesNotMatch", "photos", "", true, false})
	r.do(r.signed("GET", "/nope/k", ""))
	check("no such bucket", want{404, "NoSuchBucket", "", "", false, false})
	r.do(r.signed("GET", "/photos/secret", ""))
	check("refused", want{403, "AccessDenied", "photos", "", false, false})
	r.do(r.signed("GET", "/", ""))
	check("buckets", want{200, "", "", "", false, false})

	target := r.presigned("GET", "/photos/k", 0)
	r.do(r.request("GET", target, ""))
	if x := o.next(t); !x.Presigned || x.UsedUp || x.Status != 200 || strings.Contains(x.Path, "?") {
		t.Errorf("%+v", x)
	}
	r.do(r.request("GET", target, ""))
	if x := o.next(t); !x.Presigned || !x.UsedUp || x.Status != 403 {
		t.Errorf("%+v", x)
	}

	status := http.StatusNotFound
	r.store.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	r.do(r.signed("GET", "/photos/k", ""))
	check("the store's own refusal", want{404, "", "photos", "", false, true})
	status = http.StatusServiceUnavailable
	r.do(r.signed("GET", "/photos/k", ""))
	check("the store's failure", want{503, "", "photos", observe.ServerError, false, true})
	r.store.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "<Error><Code>InvalidAccessKeyId</Code></Error>")
	})
	r.do(r.signed("GET", "/photos/k", ""))
	check("the proxy's keys", want{403, "AccessDenied", "photos", observe.CredentialsRefused, false, true})
	r.store.Close()
	r.do(r.signed("GET", "/photos/k", ""))
	check("no store", want{502, "BadGateway", "photos", "BadGateway", false, true})
}

func TestAnAnswerThatBreaksOffIsSeenAsWhatItWas(t *testing.T) {
	for name, some := range map[string]int{"small": 9, "large, which the kernel moves": 300_000} {
		r, o := watched(t, callbacks.Set{}, nil)
		r.store.answers(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000000")
			_, _ = w.Write(make([]byte, some))
		})
		resp, err := plainClient.Do(r.signed("GET", "/photos/k", ""))
		if err == nil { // what there is of it may have gone out, or not
			_, err = io.ReadAll(resp.Body)
			_ = resp.Body.Close()
		}
		if err == nil {
			t.Errorf("%s: it looks complete", name)
		}
		if x := o.next(t); x.Status != 200 || x.Code != "BadGateway" || x.StoreError != "BadGateway" || x.BytesOut != int64(some) {
			t.Errorf("%s: %+v", name, x)
		}
	}
}

func TestALargeAnswerIsCountedWhole(t *testing.T) {
	r, o := watched(t, callbacks.Set{}, nil)
	r.store.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5000000")
		_, _ = w.Write(make([]byte, 5_000_000))
	})
	r.do(r.signed("GET", "/photos/k", ""))
	if x := o.next(t); x.BytesOut != 5_000_000 || x.Code != "" {
		t.Errorf("%+v", x)
	}
}

func TestAClientThatLeavesInTheMiddleIsNoFaultOfTheStore(t *testing.T) {
	r, o := watched(t, callbacks.Set{}, nil)
	r.store.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000000000")
		chunk := make([]byte, 1<<20)
		for range 1000 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	resp, err := plainClient.Do(r.signed("GET", "/photos/k", ""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, resp.Body, 2<<20); err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if x := o.next(t); x.Status != 200 || x.Code != "ClientClosedRequest" || x.StoreError != "" || x.BytesOut < 2<<20 {
		t.Errorf("%s, %d bytes of %d: %s", x.Code, x.BytesOut, 1_000_000_000, r.log)
	}
}

// Nothing is written to the client meanwhile that could fail.
func TestAClientThatLeavesBetweenTwoPiecesIsNoFaultOfTheStore(t *testing.T) {
	for name, begin := range map[string]func(r *rig) *http.Request{
		"in chunks": func(r *rig) *http.Request { return r.signed("GET", "/photos/k", "") },
		"rewritten": func(r *rig) *http.Request { return r.signed("POST", "/photos/k?uploadId=u", "<C/>") },
	} {
		r, o := watched(t, callbacks.Set{}, nil)
		left := make(chan struct{})
		r.store.answers(func(w http.ResponseWriter, asked *http.Request) {
			_, _ = io.WriteString(w, "    ") // as S3 does while it completes an upload
			_ = http.NewResponseController(w).Flush()
			<-asked.Context().Done()
			close(left)
		})
		ctx, cancel := context.WithCancel(t.Context())
		resp, err := plainClient.Do(begin(r).WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.ReadFull(resp.Body, make([]byte, 4))
		cancel()
		_ = resp.Body.Close()
		<-left // the store's connection ends with the client's
		if x := o.next(t); x.Status != 200 || x.Code != "ClientClosedRequest" || x.StoreError != "" {
			t.Errorf("%s: %+v", name, x)
		}
	}
}

func TestACompletionThatBreaksOffIsTheStoresFault(t *testing.T) {
	r, o := watched(t, callbacks.Set{}, nil)
	r.store.answers(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<CompleteMultipartUploadResult>")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	resp, err := plainClient.Do(r.signed("POST", "/photos/k?uploadId=u", "<C/>"))
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
	}
	if err == nil {
		t.Error("it looks complete")
	}
	if x := o.next(t); x.Code != "BadGateway" || x.StoreError != "BadGateway" {
		t.Errorf("%+v", x)
	}
}

func TestAClientThatLeavesIsSeenAsOne(t *testing.T) {
	r, o := watched(t, callbacks.Set{}, nil)
	asked, release := make(chan struct{}), make(chan struct{})
	r.store.answers(func(http.ResponseWriter, *http.Request) { close(asked); <-release })
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if _, err := plainClient.Do(r.signed("GET", "/photos/k", "").WithContext(ctx)); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if x := o.next(t); x.Status != 499 || x.Code != "ClientClosedRequest" || x.StoreError != "" {
		t.Errorf("%+v", x)
	}
	if log := r.log.String(); strings.Contains(log, "InternalError") || strings.Contains(log, "level=WARN") {
		t.Errorf("it is no fault of the server: %s", log)
	}
}

func TestARefusalIsLoggedWithWhoAndWhy(t *testing.T) {
	r := start(t, callbacks.Set{Validator: func(context.Context, *callbacks.Request) (callbacks.Decision, error) {
		return callbacks.Decision{Reason: "not on Sundays"}, nil
	}}, nil)
	r.do(r.signed("GET", "/photos/k", ""))
	log := r.log.String()
	for _, want := range []string{"msg=refused", "code=AccessDenied", "client=127.0.0.1", "access_key=" + clientKey, "operation=GetObject", "bucket=photos", "not on Sundays"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %s in %s", want, log)
		}
	}
}

func TestTheMetricsPortIsOneOfItsOwn(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"metrics_port": 0})
	port := r.server.MetricsPort()
	if port == 0 || port == r.server.HTTPPort() {
		t.Fatalf("metrics on port %d", port)
	}
	get := func(url string) int {
		t.Helper()
		return r.do(must(http.NewRequestWithContext(t.Context(), "GET", url, nil))).StatusCode
	}
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/status.json", "/"} {
		if got := get("http://127.0.0.1:" + strconv.Itoa(port) + path); got != 200 {
			t.Errorf("%s: %d", path, got)
		}
		if got := get(r.URL + path); got != 403 {
			t.Errorf("%s on the port of clients: %d", path, got)
		}
	}
	if off := start(t, callbacks.Set{}, nil).server; off.MetricsPort() != 0 || off.handler.watch.on() {
		t.Error("somebody watches, though nobody was asked to")
	}
}

func TestWatchingAWarmRequestAllocatesNothing(t *testing.T) {
	w, x := watchedOnce(t)
	if n := testing.AllocsPerRun(100, func() { w.begun(x); w.ended(x) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkWatching(b *testing.B) {
	w, x := watchedOnce(b)
	b.ReportAllocs()
	for b.Loop() {
		w.begun(x)
		w.callback(x, w.clock()) // each stage that may ask the owner
		w.callback(x, w.clock())
		w.callback(x, w.clock())
		w.ended(x)
	}
}

// watchedOnce is the metrics of a proxy, and a request that was served.
func watchedOnce(t testing.TB) (*watch, *exchange) {
	t.Helper()
	r := start(t, callbacks.Set{}, settings{"metrics_port": 0})
	h := r.server.handler
	request := r.signed("GET", "/photos/k", "", "User-Agent", "agent/1")
	request.RequestURI = "/photos/k"
	x := &exchange{w: &responseWriter{begun: true, status: 200, sent: 1024}, r: request, scheme: "http", requestID: "ID", stores: h.stores.Load()}
	if err := h.parse(x); err != nil {
		t.Fatal(err)
	}
	x.seen.Asked = true
	return h.watch, x
}

func must(req *http.Request, err error) *http.Request {
	if err != nil {
		panic(err) // a URL of the test's own
	}
	return req
}
