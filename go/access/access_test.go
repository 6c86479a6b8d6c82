package access

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/callbacks"
	"osp/go/s3err"
	"osp/go/session"
	"osp/go/shared"
)

// owner counts the questions and answers with what decide says.
type owner struct {
	calls  atomic.Int32
	decide func(r *callbacks.Request) (callbacks.Decision, error)
}

func (o *owner) callbacks(seesRequest bool) callbacks.Set {
	return callbacks.Set{ValidatorSeesRequest: seesRequest, Validator: func(_ context.Context, r *callbacks.Request) (callbacks.Decision, error) {
		o.calls.Add(1)
		return o.decide(r)
	}}
}

func always(d callbacks.Decision) func(*callbacks.Request) (callbacks.Decision, error) {
	return func(*callbacks.Request) (callbacks.Decision, error) { return d, nil }
}

func full() *callbacks.Request {
	return &callbacks.Request{
		Token: "alice", Bucket: "photos", Method: "GET", Path: "/photos/a%20b", Query: []callbacks.Param{{Name: "x", Value: "1"}},
		Source: "192.0.2.1", Operation: "GetObject", Key: "a b", VersionID: "v", Region: "us-east-1", ClientIP: "192.0.2.9",
		ContentLength: -1, CopySource: "other/key",
	}
}

// about makes a question of what a validator may see.
func about(r *callbacks.Request, ttl time.Duration) *Question {
	return &Question{Terms: Terms{TTL: ttl}, request: *r}
}

// changes alter one thing each that a validator may see.
var changes = map[string]func(*callbacks.Request){
	"Token":         func(r *callbacks.Request) { r.Token = "bob" },
	"Session":       func(r *callbacks.Request) { r.Session = &session.Session{Name: "laptop"} },
	"Certificate":   func(r *callbacks.Request) { r.Certificate = &x509.Certificate{Raw: []byte("another")} },
	"Bucket":        func(r *callbacks.Request) { r.Bucket = "videos" },
	"Method":        func(r *callbacks.Request) { r.Method = "PUT" },
	"Path":          func(r *callbacks.Request) { r.Path = "/photos/secret" },
	"Query":         func(r *callbacks.Request) { r.Query = []callbacks.Param{{Name: "x", Value: "2"}} },
	"Source":        func(r *callbacks.Request) { r.Source = "" },
	"Operation":     func(r *callbacks.Request) { r.Operation = "CopyObject" },
	"Key":           func(r *callbacks.Request) { r.Key = "c" },
	"VersionID":     func(r *callbacks.Request) { r.VersionID = "w" },
	"Region":        func(r *callbacks.Request) { r.Region = "eu-west-1" },
	"Presigned":     func(r *callbacks.Request) { r.Presigned = true },
	"ClientIP":      func(r *callbacks.Request) { r.ClientIP = "192.0.2.10" },
	"ContentLength": func(r *callbacks.Request) { r.ContentLength = 7 },
	"CopySource":    func(r *callbacks.Request) { r.CopySource = "other/key2" },
}

func TestWithoutACallbackAValidSignatureIsEnough(t *testing.T) {
	if err := New(callbacks.Set{}, Options{Capacity: 1}).Check(t.Context(), about(full(), time.Hour)).Refusal(); err != nil {
		t.Error(err)
	}
}

func TestADecisionServesOnlyForWhatItWasMadeBy(t *testing.T) {
	for _, c := range []struct {
		name    string
		sees    bool
		cacheBy []string
		matters string // changes that must lead to a new question
	}{
		{"two arguments", false, nil, "Token Bucket"},
		{"two arguments and auth_cache_by", false, []string{"method", "path"}, "Token Bucket"},
		{"three arguments", true, nil, "Token Bucket Session Certificate Method Path Query Source Operation Key VersionID Region Presigned ClientIP ContentLength CopySource"},
		{"narrowed to the token", true, []string{"token"}, "Token Bucket Session Certificate"},
		{"narrowed to the method", true, []string{"token", "bucket", "method"}, "Token Bucket Session Certificate Method Operation"},
		{"narrowed to path and query", true, []string{"path", "query"}, "Token Bucket Session Certificate Path Key Query VersionID"},
		{"narrowed to the source", true, []string{"source"}, "Token Bucket Session Certificate Source ClientIP"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for change, apply := range changes {
				o := &owner{decide: always(callbacks.Decision{Allow: true})}
				checker := New(o.callbacks(c.sees), Options{Capacity: 10, CacheBy: c.cacheBy})
				changed := full()
				apply(changed)
				for _, r := range []*callbacks.Request{full(), full(), changed} {
					if err := checker.Check(t.Context(), about(r, time.Hour)).Refusal(); err != nil {
						t.Fatal(err)
					}
				}
				want := int32(1)
				if strings.Contains(" "+c.matters+" ", " "+change+" ") {
					want = 2
				}
				if o.calls.Load() != want {
					t.Errorf("%s: asked %d times, want %d", change, o.calls.Load(), want)
				}
			}
		})
	}
}

func TestEveryFieldOfARequestIsEitherInTheKeyOrHidden(t *testing.T) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[callbacks.Request]()) {
		// Two raw paths with one path name the same object.
		if _, tested := changes[f.Name]; !tested && f.Name != "Header" && f.Name != "RawPath" {
			t.Errorf("a new field, %s: put it into the key and into this test", f.Name)
		}
	}
}

func TestNoTwoHoldersShareADecision(t *testing.T) {
	seen := map[key]string{}
	for name, r := range map[string]*callbacks.Request{
		"nobody":              {},
		"a session":           {Session: &session.Session{AccessKey: "a"}},
		"another session":     {Session: &session.Session{AccessKey: "b"}},
		"a certificate":       {Certificate: &x509.Certificate{Raw: []byte("a")}},
		"another certificate": {Certificate: &x509.Certificate{Raw: []byte("b")}},
	} {
		k := partsOf([]string{"token"}).key(r)
		if other, ok := seen[k]; ok {
			t.Errorf("%s and %s are one", name, other)
		}
		seen[k] = name
	}
}

func TestFieldsDoNotRunIntoEachOther(t *testing.T) {
	a := &callbacks.Request{Token: "ab", Bucket: "c", Query: []callbacks.Param{{Name: "p", Value: ""}, {Name: "q", Value: "r"}}}
	b := &callbacks.Request{Token: "a", Bucket: "bc", Query: a.Query}
	c := &callbacks.Request{Token: "ab", Bucket: "c", Query: []callbacks.Param{{Name: "p", Value: "q"}, {Name: "", Value: "r"}}}
	if everything.key(a) == everything.key(b) || everything.key(a) == everything.key(c) {
		t.Error("different requests have the same key")
	}
}

func TestTheCallbackSeesNothingThatIsNotInTheKeyButHeaders(t *testing.T) {
	for _, sees := range []bool{false, true} {
		var seen *callbacks.Request
		o := &owner{decide: func(r *callbacks.Request) (callbacks.Decision, error) {
			seen = r
			return callbacks.Decision{Allow: true}, nil
		}}
		r := full()
		r.Header = func() http.Header { return http.Header{"X-Role": {"admin"}} }
		if err := New(o.callbacks(sees), Options{Capacity: 1}).Check(t.Context(), about(r, 0)).Refusal(); err != nil {
			t.Fatal(err)
		}
		want := &callbacks.Request{Token: "alice", Bucket: "photos"}
		if sees {
			if want = full(); seen.Header == nil || seen.Header().Get("X-Role") != "admin" {
				t.Errorf("its headers are not those of the request")
			}
			seen.Header = nil // functions are not compared
		}
		if !reflect.DeepEqual(seen, want) {
			t.Errorf("three arguments %v: got %+v", sees, seen)
		}
	}
}

func TestManyQuestionsOfOneClient(t *testing.T) {
	var running, most atomic.Int32
	o := &owner{decide: func(r *callbacks.Request) (callbacks.Decision, error) {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if r.Key == "late" {
			return callbacks.Decision{}, callbacks.ErrOverloaded
		}
		return callbacks.Decision{Allow: r.Key != "closed"}, nil
	}}
	checker := New(o.callbacks(true), Options{Capacity: 1000})
	var questions []*Question
	for i := range 200 {
		r := full()
		r.Path, r.Key = strconv.Itoa(i), []string{"open", "closed"}[i%2]
		questions = append(questions, about(r, time.Hour))
	}
	decisions, err := checker.CheckAll(t.Context(), questions)
	if err != nil || most.Load() > atATime {
		t.Fatalf("%v; %d at a time", err, most.Load())
	}
	for i, d := range decisions {
		if d.Allowed == (questions[i].request.Key == "closed") {
			t.Errorf("%s: %+v", questions[i].request.Key, d)
		}
	}
	questions[70].request.Key = "late"
	if _, err := checker.CheckAll(t.Context(), questions); !errors.Is(err, s3err.SlowDown) {
		t.Errorf("one that could not be asked: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := checker.CheckAll(ended, questions); !errors.Is(err, context.Canceled) {
		t.Errorf("of a client that left: %v", err)
	}
}

func TestHowLongADecisionIsKept(t *testing.T) {
	of := func(d time.Duration) *time.Duration { return &d }
	for _, c := range []struct {
		name     string
		ttl      time.Duration
		decision callbacks.Decision
		want     time.Duration
	}{
		{"an allowance for the bucket's ttl", time.Hour, callbacks.Decision{Allow: true}, time.Hour},
		{"an allowance for its own ttl", time.Hour, callbacks.Decision{Allow: true, TTL: of(time.Minute)}, time.Minute},
		{"an allowance with its own ttl although the bucket has none", 0, callbacks.Decision{Allow: true, TTL: of(time.Minute)}, time.Minute},
		{"nothing with ttl 0", 0, callbacks.Decision{Allow: true}, 0},
		{"nothing with its own ttl 0", time.Hour, callbacks.Decision{Allow: true, TTL: of(0)}, 0},
		{"nothing that holds once", time.Hour, callbacks.Decision{Allow: true, Once: true, TTL: of(time.Hour)}, 0},
		{"nothing with a negative ttl", time.Hour, callbacks.Decision{Allow: true, TTL: of(-time.Hour)}, 0},
		{"a refusal for 30 s", time.Hour, callbacks.Decision{}, 30 * time.Second},
		{"a refusal for 30 s whatever it says", time.Second, callbacks.Decision{TTL: of(time.Hour)}, 30 * time.Second},
		{"a refusal for a ttl that is shorter", 10 * time.Second, callbacks.Decision{}, 10 * time.Second},
		{"no refusal with ttl 0", 0, callbacks.Decision{}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Unix(1000, 0)
			o := &owner{decide: always(c.decision)}
			checker := New(o.callbacks(true), Options{Capacity: 10, Now: func() time.Time { return now }})
			ask := func() {
				t.Helper()
				err := checker.Check(t.Context(), about(full(), c.ttl)).Refusal()
				if c.decision.Allow && err != nil || !c.decision.Allow && !errors.Is(err, s3err.AccessDenied) {
					t.Fatalf("got %v", err)
				}
			}
			ask()
			if c.want > 0 {
				now = now.Add(c.want - 1)
				ask()
				if o.calls.Load() != 1 {
					t.Fatalf("asked %d times before the end", o.calls.Load())
				}
				now = now.Add(1)
			}
			ask()
			if o.calls.Load() != 2 {
				t.Errorf("asked %d times after the end", o.calls.Load())
			}
		})
	}
}

func TestWhatIsNotAYesIsARefusal(t *testing.T) {
	raised := errors.New("raised")
	for _, c := range []struct {
		name   string
		decide func(*callbacks.Request) (callbacks.Decision, error)
		want   *s3err.Error
		cause  error
		kept   int
	}{
		{"a refusal", always(callbacks.Decision{}), s3err.AccessDenied, ErrRefused, 1},
		{"an exception, even beside an allowance", func(*callbacks.Request) (callbacks.Decision, error) { return callbacks.Decision{Allow: true}, raised }, s3err.AccessDenied, raised, 0},
		{"a panic", func(*callbacks.Request) (callbacks.Decision, error) { panic("boom") }, s3err.AccessDenied, nil, 0},
		{"callbacks past their limits", func(*callbacks.Request) (callbacks.Decision, error) {
			return callbacks.Decision{Allow: true}, callbacks.ErrOverloaded
		}, s3err.SlowDown, callbacks.ErrOverloaded, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := &owner{decide: c.decide}
			checker := New(o.callbacks(true), Options{Capacity: 10})
			for range 2 {
				err := checker.Check(t.Context(), about(full(), time.Hour)).Refusal()
				if !errors.Is(err, c.want) || c.cause != nil && !errors.Is(err, c.cause) {
					t.Errorf("got %v", err)
				}
			}
			if checker.decisions.Len() != c.kept {
				t.Errorf("%d decisions are kept", checker.decisions.Len())
			}
		})
	}
}

func TestTheReasonReachesTheClientOnlyIfAsked(t *testing.T) {
	for _, show := range []bool{false, true} {
		o := &owner{decide: always(callbacks.Decision{Reason: "not in group x"})}
		err := New(o.callbacks(true), Options{Capacity: 1, ShowReasons: show}).Check(t.Context(), about(full(), 0)).Refusal()
		if !strings.Contains(err.Error(), "not in group x") || strings.Contains(s3err.From(err).Message, "group") != show {
			t.Errorf("shown %v: got %v", show, err)
		}
	}
}

func TestOneSlowTokenHoldsUpNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &owner{decide: func(r *callbacks.Request) (callbacks.Decision, error) {
			if r.Token == "slow" {
				time.Sleep(5 * time.Second)
			}
			return callbacks.Decision{Allow: true}, nil
		}}
		checker := New(o.callbacks(true), Options{Capacity: 10})
		slow := full()
		slow.Token = "slow"
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if err := checker.Check(t.Context(), about(slow, time.Hour)).Refusal(); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		before := time.Now()
		if err := checker.Check(t.Context(), about(full(), time.Hour)).Refusal(); err != nil || time.Since(before) != 0 {
			t.Errorf("%v after %v", err, time.Since(before))
		}
		wg.Wait()
		if o.calls.Load() != 2 {
			t.Errorf("asked %d times", o.calls.Load())
		}
	})
}

func TestForgetting(t *testing.T) {
	for _, c := range []struct{ token, bucket, gone string }{
		{"alice", "", "alice@photos alice@videos"},
		{"", "photos", "alice@photos bob@photos"},
		{"bob", "videos", "bob@videos"},
		{"", "", "alice@photos alice@videos bob@photos bob@videos"},
		{"carol", "", ""},
	} {
		t.Run(c.token+"@"+c.bucket, func(t *testing.T) {
			o := &owner{decide: always(callbacks.Decision{Allow: true})}
			checker := New(o.callbacks(false), Options{Capacity: 10})
			asked := func(token, bucket string) bool {
				before := o.calls.Load()
				if err := checker.Check(t.Context(), about(&callbacks.Request{Token: token, Bucket: bucket}, time.Hour)).Refusal(); err != nil {
					t.Fatal(err)
				}
				return o.calls.Load() > before
			}
			all := [][2]string{{"alice", "photos"}, {"alice", "videos"}, {"bob", "photos"}, {"bob", "videos"}}
			for _, p := range all {
				asked(p[0], p[1])
			}
			checker.Forget(shared.Revocation{Token: named(c.token), Bucket: named(c.bucket)})
			for _, p := range all {
				id := p[0] + "@" + p[1]
				if got := asked(p[0], p[1]); got != strings.Contains(c.gone, id) {
					t.Errorf("%s: asked again %v", id, got)
				}
			}
		})
	}
}

func named(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
