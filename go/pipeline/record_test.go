package pipeline

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"osp/go/callbacks"
	"osp/go/monitor"
	"osp/go/observe"
	"osp/go/pipeline/pipelinetest"
	"osp/go/secret"
	"osp/go/stores"
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

func (o *onlooker) CallbackEnded(observe.Callback) {}
func (o *onlooker) ShadowCompared(string)          {}
func (o *onlooker) GrantExchanged(string)          {}
func (o *onlooker) Updated()                       {}

// recorded is start with an onlooker.
func recorded(t *testing.T, h callbacks.Set, change settings) (*rig, *onlooker) {
	t.Helper()
	o := &onlooker{came: make(chan struct{}, 1000)}
	return observed(t, h, change, map[string]settings{"photos": {}, "team-*": {}}, Options{Observer: o, Detailed: true}), o
}

func TestARequestIsSeenWithAllThatIsKnownOfIt(t *testing.T) {
	r, o := recorded(t, callbacks.Set{Validator: func(context.Context, *callbacks.Request) (callbacks.Decision, error) {
		time.Sleep(time.Millisecond)
		return callbacks.Decision{Allow: true}, nil
	}}, settings{"trusted_proxies": []string{"127.0.0.1"}})
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(time.Millisecond)
		w.WriteHeader(http.StatusPartialContent)
		_, _ = io.WriteString(w, "twelve bytes")
	})
	req := r.Signed("PUT", "/team-a/a%20b?tagging", "content", "User-Agent", "agent/1", "Referer", "https://x/?token=1", "X-Forwarded-For", "192.0.2.9")
	r.Do(req)
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

// Whoever replays a log must find there what policies went by.
func TestOfAForwardersClientIsSeenWhatPoliciesSee(t *testing.T) {
	r, o := recorded(t, callbacks.Set{}, settings{"trusted_proxies": []string{"127.0.0.1"}})
	req := r.Signed("GET", "/photos/k", "")
	r.Do(req)
	if x := o.next(t); x.Client != "" || x.Scheme != "http" {
		t.Errorf("it says nothing: %q by %s", x.Client, x.Scheme)
	}
	req = r.Signed("GET", "/photos/k", "")
	req.Header.Set("X-Forwarded-For", "192.0.2.9")
	req.Header.Set("X-Forwarded-Proto", "https")
	r.Do(req)
	if x := o.next(t); x.Client != "192.0.2.9" || x.Scheme != "https" {
		t.Errorf("%q by %s", x.Client, x.Scheme)
	}
}

func TestEveryEndOfARequestIsSeen(t *testing.T) {
	r, o := recorded(t, callbacks.Set{Validator: func(_ context.Context, q *callbacks.Request) (callbacks.Decision, error) {
		return callbacks.Decision{Allow: q.Key != "secret"}, nil
	}, ValidatorSeesRequest: true}, settings{"max_presign_url_usage_attempts": 1})
	type want struct {
		status                        int
		code, entry, store, refusedBy string
		asked                         bool
	}
	check := func(name string, w want) {
		t.Helper()
		x := o.next(t)
		if got := (want{x.Status, x.Code, x.Entry, x.StoreError, x.RefusedBy(), x.Asked}); got != w {
			t.Errorf("%s: %+v, want %+v", name, got, w)
		}
	}
	r.Do(r.Request("GET", "/photos/a?acl&tagging", ""))
	check("two subresources", want{400, "InvalidArgument", "", "", "other", false})
	r.Do(r.Request("GET", "/photos/k", ""))
	check("unsigned", want{403, "AccessDenied", "photos", "", "signature", false})
	tampered := r.Signed("GET", "/photos/k", "")
	tampered.URL.Path = "/photos/other"
	r.Do(tampered)
	check("tampered", want{403, "SignatureDoesNotMatch", "photos", "", "signature", false})
	r.Do(r.Signed("GET", "/nope/k", ""))
	check("no such bucket", want{404, "NoSuchBucket", "", "", "other", false})
	r.Do(r.Signed("GET", "/photos/secret", ""))
	check("refused", want{403, "AccessDenied", "photos", "", "decision", false})
	r.Do(r.Signed("GET", "/", ""))
	check("buckets", want{200, "", "", "", "", false})

	target := r.Presigned("GET", "/photos/k", 0)
	r.Do(r.Request("GET", target, ""))
	if x := o.next(t); !x.Presigned || x.UsedUp || x.Status != 200 || strings.Contains(x.Path, "?") {
		t.Errorf("%+v", x)
	}
	r.Do(r.Request("GET", target, ""))
	if x := o.next(t); !x.Presigned || !x.UsedUp || x.Status != 403 {
		t.Errorf("%+v", x)
	}

	status := http.StatusNotFound
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	r.Do(r.Signed("GET", "/photos/k", ""))
	check("the store's own refusal", want{404, "", "photos", "", "", true})
	status = http.StatusServiceUnavailable
	r.Do(r.Signed("GET", "/photos/k", ""))
	check("the store's failure", want{503, "", "photos", observe.ServerError, "", true})
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "<Error><Code>InvalidAccessKeyId</Code></Error>")
	})
	r.Do(r.Signed("GET", "/photos/k", ""))
	check("the proxy's keys", want{403, "AccessDenied", "photos", observe.CredentialsRefused, "other", true})
	r.Store.Close()
	r.Do(r.Signed("GET", "/photos/k", ""))
	check("no store", want{502, "BadGateway", "photos", "BadGateway", "other", true})
}

func TestWhatRefusedARequestIsSeen(t *testing.T) {
	raises := func(context.Context, callbacks.BucketCredsQuestion) (secret.Text, error) {
		return secret.Text{}, errors.New("raised")
	}
	const assume = "Action=AssumeRole&Version=2011-06-15&RoleSessionName=me&RoleArn=arn:aws:iam::000000000000:role/"
	own := settings{"roles": settings{"own": settings{"keys": []string{clientKey}}}}
	for name, c := range map[string]struct {
		owner  callbacks.Set
		change settings
		entry  settings
		ask    func(r *rig) *http.Request
		want   string
	}{
		"a policy denies the list of buckets": {
			change: settings{"policy": rules("* *", "-ListAllMyBuckets *")},
			ask:    func(r *rig) *http.Request { return r.Signed("GET", "/", "") }, want: "AccessDenied by decision",
		},
		"a policy does not allow": {
			change: settings{"policy": rules("PutObject photos/*")},
			ask:    func(r *rig) *http.Request { return r.Signed("GET", "/photos/k", "") }, want: "AccessDenied by decision",
		},
		"the entry is read-only": {
			entry: settings{"read_only": true},
			ask:   func(r *rig) *http.Request { return r.Signed("PUT", "/photos/k", "") }, want: "AccessDenied by other",
		},
		"there are no credentials for the store": {
			owner: callbacks.Set{BucketCredsFetcher: raises}, entry: settings{"access_key": nil, "secret_key": nil},
			ask: func(r *rig) *http.Request { return r.Signed("GET", "/photos/k", "") }, want: "AccessDenied by other",
		},
		"a role that there is not": {
			ask: func(r *rig) *http.Request { return r.toSTS(assume+"own", "sts") }, want: "AccessDenied by other",
		},
		"a role that there is": {
			change: own, ask: func(r *rig) *http.Request { return r.toSTS(assume+"own", "sts") }, want: " by ",
		},
		"a request for keys without a signature": {
			ask: func(r *rig) *http.Request {
				req := r.toSTS(assume+"own", "sts")
				req.Header.Del("Authorization")
				return req
			}, want: "MissingAuthenticationToken by signature",
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := &onlooker{came: make(chan struct{}, 10)}
			r := observed(t, c.owner, c.change, map[string]settings{"photos": c.entry}, Options{Observer: o, Detailed: true})
			r.Do(c.ask(r))
			if x := o.next(t); x.Code+" by "+x.RefusedBy() != c.want {
				t.Errorf("%d %s by %s", x.Status, x.Code, x.RefusedBy())
			}
		})
	}
}

// Nobody may take it for the operation that it resembles.
func TestWhatS3DoesNotHaveIsSeenAsUnknown(t *testing.T) {
	o := &onlooker{came: make(chan struct{}, 10)}
	r := observed(t, callbacks.Set{}, nil, map[string]settings{"photos": {"unknown_operations": true}}, Options{Observer: o, Detailed: true})
	r.Do(r.Signed("GET", "/photos/k?bogus", ""))
	if x := o.next(t); x.Operation != "Unknown" || x.Code != "" {
		t.Errorf("%s %s", x.Operation, x.Code)
	}
}

func TestAnAnswerThatBreaksOffIsSeenAsWhatItWas(t *testing.T) {
	for name, some := range map[string]int{"small": 9, "large, which the kernel moves": 300_000} {
		r, o := recorded(t, callbacks.Set{}, nil)
		r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000000")
			_, _ = w.Write(make([]byte, some))
		})
		resp, err := pipelinetest.Client.Do(r.Signed("GET", "/photos/k", ""))
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
	r, o := recorded(t, callbacks.Set{}, nil)
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5000000")
		_, _ = w.Write(make([]byte, 5_000_000))
	})
	r.Do(r.Signed("GET", "/photos/k", ""))
	if x := o.next(t); x.BytesOut != 5_000_000 || x.Code != "" {
		t.Errorf("%+v", x)
	}
}

func TestAClientThatLeavesInTheMiddleIsNoFaultOfTheStore(t *testing.T) {
	r, o := recorded(t, callbacks.Set{}, nil)
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000000000")
		chunk := make([]byte, 1<<20)
		for range 1000 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	resp, err := pipelinetest.Client.Do(r.Signed("GET", "/photos/k", ""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, resp.Body, 2<<20); err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if x := o.next(t); x.Status != 200 || x.Code != "ClientClosedRequest" || x.StoreError != "" || x.BytesOut < 2<<20 {
		t.Errorf("%s, %d bytes of %d: %s", x.Code, x.BytesOut, 1_000_000_000, r.Log)
	}
}

// Nothing is written to the client meanwhile that could fail.
func TestAClientThatLeavesBetweenTwoPiecesIsNoFaultOfTheStore(t *testing.T) {
	for name, begin := range map[string]func(r *rig) *http.Request{
		"in chunks": func(r *rig) *http.Request { return r.Signed("GET", "/photos/k", "") },
		"rewritten": func(r *rig) *http.Request { return r.Signed("POST", "/photos/k?uploadId=u", "<C/>") },
	} {
		r, o := recorded(t, callbacks.Set{}, nil)
		left := make(chan struct{})
		r.Store.Answers(func(w http.ResponseWriter, asked *http.Request) {
			_, _ = io.WriteString(w, "    ") // as S3 does while it completes an upload
			_ = http.NewResponseController(w).Flush()
			<-asked.Context().Done()
			close(left)
		})
		ctx, cancel := context.WithCancel(t.Context())
		resp, err := pipelinetest.Client.Do(begin(r).WithContext(ctx))
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
	r, o := recorded(t, callbacks.Set{}, nil)
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<CompleteMultipartUploadResult>")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	resp, err := pipelinetest.Client.Do(r.Signed("POST", "/photos/k?uploadId=u", "<C/>"))
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
	r, o := recorded(t, callbacks.Set{}, nil)
	asked, release := make(chan struct{}), make(chan struct{})
	r.Store.Answers(func(http.ResponseWriter, *http.Request) { close(asked); <-release })
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if _, err := pipelinetest.Client.Do(r.Signed("GET", "/photos/k", "").WithContext(ctx)); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if x := o.next(t); x.Status != 499 || x.Code != "ClientClosedRequest" || x.StoreError != "" {
		t.Errorf("%+v", x)
	}
	if log := r.Log.String(); strings.Contains(log, "InternalError") || strings.Contains(log, "level=WARN") {
		t.Errorf("it is no fault of the server: %s", log)
	}
}

func TestARefusalIsLoggedWithWhoAndWhy(t *testing.T) {
	r := start(t, callbacks.Set{Validator: func(context.Context, *callbacks.Request) (callbacks.Decision, error) {
		return callbacks.Decision{Reason: "not on Sundays"}, nil
	}}, nil)
	r.Do(r.Signed("GET", "/photos/k", ""))
	log := r.Log.String()
	for _, want := range []string{"msg=refused", "code=AccessDenied", "client=127.0.0.1", "access_key=" + clientKey, "operation=GetObject", "bucket=photos", "not on Sundays"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %s in %s", want, log)
		}
	}
}

func TestWithoutAnObserverNoClockIsRead(t *testing.T) {
	if r := start(t, callbacks.Set{}, nil).pipeline.recorder; r.on() || r.clock() != 0 {
		t.Error("somebody observes, though nobody was asked to")
	}
}

func TestRecordingAWarmRequestAllocatesNothing(t *testing.T) {
	r, x := recordedOnce(t)
	if n := testing.AllocsPerRun(100, func() { r.begin(x); r.end(x) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRecording(b *testing.B) {
	r, x := recordedOnce(b)
	b.ReportAllocs()
	for b.Loop() {
		r.begin(x)
		r.waited(x, r.clock()) // each stage that may ask the owner
		r.waited(x, r.clock())
		r.waited(x, r.clock())
		r.end(x)
	}
}

// recordedOnce is the recorder of a pipeline that the metrics observe, and a
// request that was served.
func recordedOnce(t testing.TB) (*recorder, *exchange) {
	t.Helper()
	o := monitor.New(monitor.Options{
		Entries: func() []*stores.Bucket { return []*stores.Bucket{{Name: "photos"}} },
		Log:     slog.New(slog.DiscardHandler),
	})
	t.Cleanup(o.Close)
	r := observed(t, callbacks.Set{}, nil, pipelinetest.Buckets(), Options{Observer: o})
	request := r.Signed("GET", "/photos/k", "", "User-Agent", "agent/1")
	request.RequestURI = "/photos/k"
	p := r.pipeline
	x := &exchange{w: &responseWriter{begun: true, status: 200, sent: 1024}, r: request, clientScheme: "http", requestID: "ID", stores: p.stores.Load()}
	if err := p.parse(x); err != nil {
		t.Fatal(err)
	}
	x.record.asked = true
	return p.recorder, x
}
