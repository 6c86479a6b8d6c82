package border

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"osp/go/callbacks"
	"osp/go/config"
)

// owner answers questions as a test tells it to.
type owner struct {
	calls *Calls
	ask   func(call uint64, question int32, json, room []byte) int32

	mu   sync.Mutex
	seen []string
}

func (o *owner) bridge() *Bridge {
	o.calls = &Calls{}
	return NewBridge(o.calls, func(call uint64, question int32, json, room []byte) int32 {
		o.mu.Lock()
		o.seen = append(o.seen, string(json))
		o.mu.Unlock()
		return o.ask(call, question, json, room)
	})
}

// answering gives every question the same answer during the call.
func answering(text string) *owner {
	o := &owner{}
	o.ask = func(call uint64, _ int32, _, _ []byte) int32 {
		o.calls.Answer(call, []byte(text))
		return AskAnswered
	}
	return o
}

var everything = &config.Config{Callbacks: callbacks.Names(), ValidatorSeesRequest: true}

func TestCallbacksExistOnlyForWhatTheOwnerGave(t *testing.T) {
	h := answering("").bridge().Callbacks(&config.Config{})
	if h.HMACFetcher != nil || h.Validator != nil || h.BucketCredsFetcher != nil || h.ValidatorSeesRequest {
		t.Errorf("got %+v", h)
	}
}

func TestAnAnswerDuringTheCall(t *testing.T) {
	o := answering(`{"allow": true}`)
	d, err := o.bridge().Callbacks(everything).Validator(t.Context(), &callbacks.Request{Token: "t", Bucket: "b", Method: "GET"})
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

func TestAnAnswerThatFitsComesWithTheReturn(t *testing.T) {
	text := `{"allow":true,"reason":"of the length that there is room for"}`
	o := &owner{}
	o.ask = func(_ uint64, _ int32, _, room []byte) int32 {
		return int32(copy(room, text+strings.Repeat(" ", len(room)-len(text))))
	}
	d, err := o.bridge().Callbacks(everything).Validator(t.Context(), &callbacks.Request{})
	if err != nil || !d.Allow || d.Reason != "of the length that there is room for" || len(o.calls.waiting) != 0 {
		t.Errorf("got %+v, %v; %d calls still wait", d, err, len(o.calls.waiting))
	}
}

func TestAnAnswerAfterTheCall(t *testing.T) {
	o := &owner{}
	o.ask = func(call uint64, _ int32, _, _ []byte) int32 {
		go o.calls.Answer(call, []byte(`{"credentials": "key"}`))
		return AskPending
	}
	creds, err := o.bridge().Callbacks(everything).BucketCredsFetcher(t.Context(), callbacks.BucketCredsQuestion{Token: "t", Bucket: "b"})
	if err != nil || creds.Reveal() != "key" {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsNoAnswerIsAnError(t *testing.T) {
	for name, ask := range map[string]func(o *owner, call uint64) int32{
		"a failure":                      func(*owner, uint64) int32 { return AskFailed },
		"a result that nobody knows":     func(*owner, uint64) int32 { return -42 },
		"a length without an answer":     func(*owner, uint64) int32 { return 42 },
		"more than there is room for":    func(*owner, uint64) int32 { return answerRoom + 1 },
		"a length in spite of an answer": func(o *owner, call uint64) int32 { o.calls.Answer(call, []byte(`{"allow": true}`)); return 42 },
		"an answer that never came":      func(*owner, uint64) int32 { return AskAnswered },
		"a failure in spite of allowing": func(o *owner, call uint64) int32 { o.calls.Answer(call, []byte(`{"allow": true}`)); return AskFailed },
	} {
		o := &owner{}
		o.ask = func(call uint64, _ int32, _, _ []byte) int32 { return ask(o, call) }
		d, err := o.bridge().Callbacks(everything).Validator(t.Context(), &callbacks.Request{})
		if err == nil || d.Allow {
			t.Errorf("%s: got %+v, %v", name, d, err)
		}
	}
}

func TestACallerWhoGivesUpIsNotHeld(t *testing.T) {
	o := &owner{}
	asked := make(chan uint64, 1)
	o.ask = func(call uint64, _ int32, _, _ []byte) int32 { asked <- call; return AskPending }
	b := o.bridge()
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := b.Callbacks(everything).HMACFetcher(ctx, callbacks.HMACQuestion{AccessKey: "k"})
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
	o.ask = func(call uint64, _ int32, _, _ []byte) int32 { entered <- call; return <-release }
	b := o.bridge()
	h := b.Callbacks(everything)
	failed := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := h.HMACFetcher(t.Context(), callbacks.HMACQuestion{AccessKey: "k"})
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
	if _, err := h.HMACFetcher(t.Context(), callbacks.HMACQuestion{AccessKey: "k"}); !errors.Is(err, ErrCutOff) {
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
