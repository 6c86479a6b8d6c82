package border

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"osp/go/callbacks"
	"osp/go/config"
)

// owner answers questions as a test tells it to.
type owner struct {
	calls *Calls
	ask   func(call uint64, question int32, json []byte) int32

	mu   sync.Mutex
	seen []string
}

func (o *owner) bridge() *Bridge {
	o.calls = &Calls{}
	return NewBridge(o.calls, func(call uint64, question int32, json []byte) int32 {
		o.mu.Lock()
		o.seen = append(o.seen, string(json))
		o.mu.Unlock()
		return o.ask(call, question, json)
	})
}

// answering gives every question the same answer during the call.
func answering(text string) *owner {
	o := &owner{}
	o.ask = func(call uint64, _ int32, _ []byte) int32 {
		o.calls.Answer(call, []byte(text))
		return AskAnswered
	}
	return o
}

var everything = &config.Config{HasValidator: true, HasSecretFetcher: true, HasBucketCreds: true, ValidatorSeesRequest: true}

func TestCallbacksExistOnlyForWhatTheOwnerGave(t *testing.T) {
	h := answering("").bridge().Callbacks(&config.Config{})
	if h.HMACFetcher != nil || h.Validator != nil || h.BucketCredsFetcher != nil || h.ValidatorSeesRequest {
		t.Errorf("got %+v", h)
	}
}

func TestAnAnswerDuringTheCall(t *testing.T) {
	o := answering(`{"allow": true}`)
	d, err := o.bridge().Callbacks(everything).Validator(t.Context(), &callbacks.Request{Token: "t", Bucket: "b", Key: "k"})
	if err != nil || !d.Allow {
		t.Errorf("got %+v, %v", d, err)
	}
	if n := len(o.calls.waiting); n != 0 {
		t.Errorf("%d calls still wait", n)
	}
	if !strings.HasPrefix(o.seen[0], `{"token":"t","bucket":"b","request":{`) {
		t.Errorf("the owner saw %s", o.seen[0])
	}
}

func TestAnAnswerAfterTheCall(t *testing.T) {
	o := &owner{}
	o.ask = func(call uint64, _ int32, _ []byte) int32 {
		go o.calls.Answer(call, []byte(`{"credentials": "key"}`))
		return AskPending
	}
	creds, err := o.bridge().Callbacks(everything).BucketCredsFetcher(t.Context(), "t", "b")
	if err != nil || creds.Reveal() != "key" {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsNoAnswerIsAnError(t *testing.T) {
	for name, ask := range map[string]func(o *owner, call uint64) int32{
		"a failure":                      func(*owner, uint64) int32 { return AskFailed },
		"a result that nobody knows":     func(*owner, uint64) int32 { return 42 },
		"an answer that never came":      func(*owner, uint64) int32 { return AskAnswered },
		"a failure in spite of allowing": func(o *owner, call uint64) int32 { o.calls.Answer(call, []byte(`{"allow": true}`)); return AskFailed },
	} {
		o := &owner{}
		o.ask = func(call uint64, _ int32, _ []byte) int32 { return ask(o, call) }
		d, err := o.bridge().Callbacks(everything).Validator(t.Context(), &callbacks.Request{})
		if err == nil || d.Allow {
			t.Errorf("%s: got %+v, %v", name, d, err)
		}
	}
}

func TestAnswersThatSayNothingAreErrorsAndNeverQuoted(t *testing.T) {
	for _, text := range []string{"", "null", "true", "[]", "{}", `{"allow": 1}`, `{"allow": "true"}`, `{"allow": null}`,
		`{"allow": true, "sesame": 1}`, `{"allow": true} {"allow": true}`, `{"secret_key": ""}`, `{"credentials": ""}`,
		`{"credentials": 7}`, `{"secret_key": "sesame", "expiration": -1}`, `{"secret_key": "sesame", "expiration": 1e300}`,
		`{"secret_key": "sesame", "ttl": -1}`, `{"secret_key": "sesame", "ttl": 1e300}`, `{"unknown": false}`} {
		h := answering(text).bridge().Callbacks(everything)
		_, allow := h.Validator(t.Context(), &callbacks.Request{})
		_, secretErr := h.HMACFetcher(t.Context(), "k")
		_, creds := h.BucketCredsFetcher(t.Context(), "t", "b")
		for question, err := range map[string]error{"allow": allow, "secret": secretErr, "credentials": creds} {
			if err == nil {
				t.Errorf("%s is an answer to %s", text, question)
			} else if strings.Contains(err.Error(), "sesame") {
				t.Errorf("%s: the error is %v", text, err)
			}
		}
	}
}

func TestASecretComesWithItsTokenEndAndTTL(t *testing.T) {
	h := answering(`{"secret_key": "s", "session_token": "t", "expiration": 1700000000.5, "ttl": 1.5}`).bridge().Callbacks(everything)
	s, err := h.HMACFetcher(t.Context(), "k")
	if err != nil || s.Key.Reveal() != "s" || s.SessionToken.Reveal() != "t" || !s.Expires.Equal(time.UnixMilli(1700000000500)) || *s.TTL != 1500*time.Millisecond {
		t.Errorf("got %v, %v, %v", s.Expires, s.TTL, err)
	}
	h = answering(`{"unknown": true}`).bridge().Callbacks(everything)
	if _, err := h.HMACFetcher(t.Context(), "k"); !errors.Is(err, callbacks.ErrUnknownKey) {
		t.Errorf("got %v", err)
	}
}

func TestASecretIsTheSameHoweverItIsSpelled(t *testing.T) {
	for text, want := range map[string]string{
		`{"secret_key":"a/b+c="}`:           "a/b+c=",
		`{"secret_key": "a/b+c="}`:          "a/b+c=",
		`{"secret_key":"a\u0022\\b\u00e9"}`: "a\"\\b\u00e9",
		`{"secret_key":"\"}"}`:              `"}`,
		`{"secret_key":"é"}`:                "é",
		`{"secret_key":""}`:                 "",
		`{"secret_key":"a","unknown":"}`:    "",
		`{"secret_key":"a"}{}`:              "",
		"{\"secret_key\":\"a\nb\"}":         "",
	} {
		s, err := decodeSecret([]byte(text))
		if s.Key.Reveal() != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v", text, s.Key.Reveal(), err)
		}
	}
}

func TestADecisionMayBringItsTTLAndReason(t *testing.T) {
	h := answering(`{"allow": false, "ttl": 1.5, "reason": "not today"}`).bridge().Callbacks(everything)
	d, err := h.Validator(t.Context(), &callbacks.Request{})
	if err != nil || d.Allow || d.TTL == nil || *d.TTL != 1500*time.Millisecond || d.Reason != "not today" {
		t.Errorf("got %+v, %v", d, err)
	}
	h = answering(`{"allow": true, "ttl": -1}`).bridge().Callbacks(everything)
	if _, err := h.Validator(t.Context(), &callbacks.Request{}); err == nil {
		t.Error("a negative ttl is taken")
	}
}

func TestACallerWhoGivesUpIsNotHeld(t *testing.T) {
	o := &owner{}
	asked := make(chan uint64, 1)
	o.ask = func(call uint64, _ int32, _ []byte) int32 { asked <- call; return AskPending }
	b := o.bridge()
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := b.Callbacks(everything).HMACFetcher(ctx, "k")
		failed <- err
	}()
	call := <-asked
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if o.calls.Answer(call, []byte(`{"secret_key": "late"}`)) {
		t.Error("a late answer found somebody")
	}
}

func TestACutBridgeAsksNobody(t *testing.T) {
	o := &owner{}
	entered, release := make(chan uint64, 2), make(chan int32)
	o.ask = func(call uint64, _ int32, _ []byte) int32 { entered <- call; return <-release }
	b := o.bridge()
	h := b.Callbacks(everything)
	failed := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := h.HMACFetcher(t.Context(), "k")
			failed <- err
		}()
	}
	<-entered
	<-entered
	release <- AskPending
	b.CutOff()
	b.CutOff() // twice does no harm
	if err := <-failed; !errors.Is(err, ErrCutOff) {
		t.Errorf("one that waits for its answer: %v", err)
	}
	select {
	case <-b.Idle():
		t.Error("idle, though the owner is still called")
	default:
	}
	if _, err := h.HMACFetcher(t.Context(), "k"); !errors.Is(err, ErrCutOff) {
		t.Errorf("one that comes later: %v", err)
	}
	release <- AskFailed
	<-b.Idle()
	if err := <-failed; err == nil {
		t.Error("the one that was under way got an answer")
	}
}

func TestTheFirstAnswerCounts(t *testing.T) {
	var c Calls
	call, answer := c.open()
	if !c.Answer(call, []byte("first")) || c.Answer(call, []byte("second")) || c.Answer(call+1, nil) {
		t.Error("an answer found the wrong call")
	}
	if got := <-answer; string(got) != "first" {
		t.Errorf("got %s", got)
	}
}
