// Package border is the part of the C border that needs no C: how a question gets
// across and its answer comes back, which calls and servers exist, and who is cut
// off when. It holds no C pointer and never decides about a request: whatever goes
// wrong is an error, and an error is a deny.
package border

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"osp/go/callbacks"
	"osp/go/config"
)

// Results of Ask, as in include/osp.h; capi checks that the numbers are the same.
// What is above zero is the length of an answer.
const (
	AskFailed   = 0
	AskAnswered = -1
	AskPending  = -2
)

// answerRoom is for the answers of nearly all: one that fits needs no call of its
// own back into Go.
const answerRoom = 256

var (
	// ErrFailed is what a question comes to when the owner's callback failed.
	// Why is in the owner's log.
	ErrFailed = errors.New("the callback failed")
	// ErrCutOff says that the server has stopped and asks nobody any more.
	ErrCutOff = errors.New("the server has stopped")
)

// Ask calls the owner with a question of enum osp_question. It returns the length
// of the answer that is in room now; or AskFailed, or AskAnswered or AskPending,
// whose answer arrives in Calls under the number of the call.
type Ask func(call uint64, question int32, json, room []byte) int32

// Bridge asks one server's questions of its owner, until it is cut off.
type Bridge struct {
	owner Ask
	calls *Calls

	mu      sync.Mutex
	closed  bool
	running int
	cut     chan struct{} // closed by CutOff
	idle    chan struct{} // closed once cut off and nothing runs
}

// NewBridge returns a bridge to owner, whose answers arrive in calls.
func NewBridge(calls *Calls, owner Ask) *Bridge {
	return &Bridge{owner: owner, calls: calls, cut: make(chan struct{}), idle: make(chan struct{})}
}

// Callbacks are those that cfg says its owner gave.
func (b *Bridge) Callbacks(cfg *config.Config) callbacks.Set {
	s := callbacks.Connect(cfg.Callbacks, b.question)
	s.ValidatorSeesRequest, s.ShadowValidatorSeesRequest = cfg.ValidatorSeesRequest, cfg.ShadowValidatorSeesRequest
	return s
}

// question is a callbacks.Owner.
func (b *Bridge) question(ctx context.Context, number int32, json []byte) ([]byte, error) {
	call, answer := b.calls.open()
	defer b.calls.close(call)
	room := make([]byte, answerRoom)
	result, err := b.ask(call, number, json, room)
	switch {
	case err != nil:
		return nil, err
	case result > 0 && result <= answerRoom:
		return room[:result], nil
	case result == AskAnswered:
		select {
		case a := <-answer:
			return a, nil
		default:
			return nil, fmt.Errorf("%w: it gave no answer", ErrFailed)
		}
	case result == AskPending:
		select {
		case a := <-answer:
			return a, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-b.cut:
			return nil, ErrCutOff
		}
	default:
		return nil, ErrFailed
	}
}

// ask calls the owner unless the bridge is cut off, and counts the call as
// running meanwhile.
func (b *Bridge) ask(call uint64, question int32, json, room []byte) (int32, error) {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return AskFailed, ErrCutOff
	}
	b.running++
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.running--
		b.settle()
	}()
	return b.owner(call, question, json, room), nil
}

func (b *Bridge) settle() {
	if b.closed && b.running == 0 {
		close(b.idle)
	}
}

// CutOff makes every later question fail without asking, as well as those that
// wait for a pending answer. Calls that run at this moment go on; Idle tells
// when they have returned.
func (b *Bridge) CutOff() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.closed = true
		close(b.cut)
		b.settle()
	}
}

// Idle is closed when the bridge is cut off and no call of the owner runs any more.
func (b *Bridge) Idle() <-chan struct{} { return b.idle }
