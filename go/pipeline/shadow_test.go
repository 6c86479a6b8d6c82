package pipeline

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"osp/go/access"
	"osp/go/callbacks"
	"osp/go/pipeline/pipelinetest"
)

// counting is an onlooker that is told what the shadow says.
type counting struct {
	*onlooker
	outcomes chan string
}

func (c counting) ShadowCompared(outcome string) { c.outcomes <- outcome }

// next are so many outcomes, sorted.
func (c counting) next(t *testing.T, n int) (list []string) {
	t.Helper()
	for range n {
		select {
		case outcome := <-c.outcomes:
			list = append(list, outcome)
		case <-time.After(20 * time.Second):
			t.Fatalf("after %v the shadow says nothing", list)
		}
	}
	slices.Sort(list)
	return list
}

// shadowed is start with an observer of the shadow.
func shadowed(t *testing.T, h callbacks.Set, change settings) (*rig, counting) {
	t.Helper()
	c := counting{&onlooker{came: make(chan struct{}, 1000)}, make(chan string, 1000)}
	return observed(t, h, change, pipelinetest.Buckets(), Options{Observer: c}), c
}

func TestTheShadowLooksAtRequestsAsTheyWere(t *testing.T) {
	h := callbacks.Set{ShadowValidatorSeesRequest: true, ShadowValidator: func(_ context.Context, r *callbacks.Request) (callbacks.Decision, error) {
		return callbacks.Decision{Allow: r.Header().Get("X-Amz-Acl") != "public-read", Once: true}, nil
	}}
	shadow := rules("* *")
	shadow["Statement"] = append(shadow["Statement"].([]settings), settings{
		"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "*", "Condition": settings{"StringEquals": settings{"s3:x-amz-storage-class": "GLACIER"}},
	})
	r, seen := shadowed(t, h, settings{"shadow_policy": shadow})
	form := formOf{conditions: []any{map[string]string{"acl": "public-read"}}, fields: [][2]string{{"acl", "public-read"}}, file: "x"}
	for range 20 { // while the requests go on: the race detector looks at them, too
		for want, done := range map[string]func() pipelinetest.Reply{
			"a header": func() pipelinetest.Reply { return r.Do(r.Signed("PUT", "/photos/k", "", "X-Amz-Acl", "public-read")) },
			"a query":  func() pipelinetest.Reply { return r.Do(r.Signed("PUT", "/photos/k?x-amz-acl=public-read", "")) },
			"a form":   func() pipelinetest.Reply { return r.Do(form.request(r)) },
			"a policy": func() pipelinetest.Reply {
				return r.Do(r.Signed("PUT", "/photos/k", "", "X-Amz-Storage-Class", "GLACIER"))
			},
			"neither":   func() pipelinetest.Reply { return r.Do(r.Signed("PUT", "/photos/k", "")) },
			"a listing": func() pipelinetest.Reply { return r.Do(r.Signed("GET", "/photos", "")) },
		} {
			if got := done(); got.StatusCode >= 300 {
				t.Fatalf("%s: %d %s", want, got.StatusCode, got.Content)
			}
			outcome := access.WouldRefuse
			if want == "neither" || want == "a listing" {
				outcome = access.Agreed
			}
			if got := seen.next(t, 1); got[0] != outcome {
				t.Errorf("%s: %s", want, got)
			}
		}
	}
}

// A validator of token and bucket is not asked more often because the shadow can tell
// questions apart that are one to it.
func TestTheShadowIsAskedAboutWhatTheValidatorCanNotTellApart(t *testing.T) {
	var asked, shadow atomic.Int32
	h := callbacks.Set{
		Validator: func(context.Context, *callbacks.Request) (callbacks.Decision, error) {
			asked.Add(1)
			return callbacks.Decision{Allow: true, Once: true}, nil
		},
		ShadowValidator: func(_ context.Context, r *callbacks.Request) (callbacks.Decision, error) {
			shadow.Add(1)
			return callbacks.Decision{Allow: r.Operation != "DeleteObject"}, nil
		},
		ShadowValidatorSeesRequest: true,
	}
	r, seen := shadowed(t, h, nil)
	if got := r.Do(r.Signed("DELETE", "/photos/k?tagging&versionId=v", "")); got.StatusCode != 200 {
		t.Fatalf("%d %s", got.StatusCode, got.Content)
	}
	// Each of the two operations, of the version and of what a store without versions has.
	want := []string{access.Agreed, access.Agreed, access.WouldRefuse, access.WouldRefuse}
	if got := seen.next(t, 4); !slices.Equal(got, want) || asked.Load() != 1 || shadow.Load() != 4 {
		t.Errorf("%v; the validator was asked %d times, the shadow %d times", got, asked.Load(), shadow.Load())
	}
}

func TestTheShadowHasPlacesOfItsOwn(t *testing.T) {
	release := make(chan struct{})
	h := callbacks.Set{
		Validator: func(context.Context, *callbacks.Request) (callbacks.Decision, error) {
			return callbacks.Decision{Allow: true, Once: true}, nil
		},
		ShadowValidator: func(context.Context, *callbacks.Request) (callbacks.Decision, error) {
			<-release
			return callbacks.Decision{Allow: true, Once: true}, nil
		},
	}
	r, seen := shadowed(t, h, settings{"callback_concurrency": 1, "callback_queue": 0})
	for range 10 {
		if got := r.Do(r.Signed("GET", "/photos/k", "")); got.StatusCode != 200 {
			t.Fatalf("%d %s", got.StatusCode, got.Content)
		}
	}
	close(release)
	if got := seen.next(t, 10); slices.ContainsFunc(got, func(outcome string) bool { return outcome != access.Agreed }) {
		t.Errorf("%v", got)
	}
}

func TestAnUpdateReplacesThePolicyOfTheShadow(t *testing.T) {
	r, seen := shadowed(t, callbacks.Set{}, settings{"shadow_policy": rules("* *")})
	for _, c := range []struct{ update, outcome string }{
		{`{}`, access.Agreed},
		{`{"shadow_policy": {"Version": "2012-10-17", "Statement": {"Sid": "NoReads", "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}}}`, access.WouldRefuse},
		{`{"hmac_keystore": null}`, access.WouldRefuse},
	} {
		u, err := r.Config.ParseUpdate([]byte(c.update), r.pipeline.Running())
		if err != nil {
			t.Fatal(err)
		}
		r.pipeline.Update(u)
		if got := r.Do(r.Signed("GET", "/photos/k", "")); got.StatusCode != 200 {
			t.Fatalf("%d %s", got.StatusCode, got.Content)
		}
		if got := seen.next(t, 1); got[0] != c.outcome {
			t.Errorf("%s: %s", c.update, got)
		}
	}
}

func TestTheLogHasDifferencesAndNotTooMany(t *testing.T) {
	var out bytes.Buffer
	c := newComparisons(Options{Log: slog.New(slog.NewTextHandler(&out, nil))})
	about := &callbacks.Request{Token: "alice", Operation: "GetObject", Bucket: "photos", Key: "a b"}
	c.seen(access.Comparison{Outcome: access.Agreed, Request: about})
	c.seen(access.Comparison{Outcome: access.Failed, Request: about})
	c.seen(access.Comparison{Outcome: access.Dropped})
	if out.Len() != 0 {
		t.Errorf("logged: %s", &out)
	}
	differs := access.Comparison{
		Outcome: access.WouldRefuse, Request: about,
		Now: access.Decision{Allowed: true, Source: access.Asked}, Shadow: access.Decision{Source: access.Policy, Reason: `statement "NoReads" denies s3:GetObject`},
	}
	for range differencesASecond + 5 {
		c.seen(differs)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != differencesASecond {
		t.Errorf("%d lines", len(lines))
	}
	const want = `access_key=alice operation=GetObject bucket=photos key="a b" now=allow shadow="refuse: statement \"NoReads\" denies s3:GetObject"`
	if !strings.HasSuffix(lines[0], want) {
		t.Errorf("got %s", lines[0])
	}
	out.Reset()
	c.since = c.since.Add(-time.Second)
	if c.seen(differs); !strings.Contains(out.String(), "left_out=5") {
		t.Errorf("got %s", &out)
	}
}

func TestLongHeadsTakeMoreOfTheShadowsRoom(t *testing.T) {
	release := make(chan struct{})
	h := callbacks.Set{ShadowValidator: func(ctx context.Context, _ *callbacks.Request) (callbacks.Decision, error) {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return callbacks.Decision{Allow: true}, nil
	}}
	r, seen := shadowed(t, h, nil)
	const head, many, room = 50 << 10, 40, 1 << 20
	for range many {
		if a := r.Do(r.Signed("GET", "/photos/k", "", "X-Amz-Meta-Long", strings.Repeat("x", head))); a.StatusCode != 200 {
			t.Fatal(a.StatusCode)
		}
	}
	dropped := many - room/head
	for _, outcome := range seen.next(t, dropped) {
		if outcome != access.Dropped {
			t.Error(outcome)
		}
	}
	close(release)
	seen.next(t, many-dropped)
}
