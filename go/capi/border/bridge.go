// Package border is the part of the C border that needs no C: how questions and
// answers are spelled, which calls and servers exist, and who is cut off when.
// It holds no C pointer and never decides about a request: whatever it can't
// make sense of is an error, and an error is a deny.
package border

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"osp/go/callbacks"
	"osp/go/config"
	"osp/go/secret"
)

// Questions and results of Ask, as in include/osp.h; capi checks that the
// numbers are the same.
const (
	AskSecret      = 1
	AskAllow       = 2
	AskBucketCreds = 3

	AskFailed   = 0
	AskAnswered = 1
	AskPending  = 2
)

var (
	// ErrFailed is what a question comes to when the owner's callback failed.
	// Why is in the owner's log.
	ErrFailed = errors.New("the callback failed")
	// ErrCutOff says that the server has stopped and asks nobody any more.
	ErrCutOff = errors.New("the server has stopped")
)

// Ask calls the owner. It returns AskFailed, AskAnswered or AskPending; the
// answer arrives in Calls under the number of the call.
type Ask func(call uint64, question int32, json []byte) int32

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

// Callbacks are the questions that cfg says its owner answers.
func (b *Bridge) Callbacks(cfg *config.Config) callbacks.Set {
	h := callbacks.Set{ValidatorSeesRequest: cfg.ValidatorSeesRequest}
	if cfg.HasSecretFetcher {
		h.HMACFetcher = b.secret
	}
	if cfg.HasValidator {
		h.Validator = func(ctx context.Context, r *callbacks.Request) (callbacks.Decision, error) {
			answer, err := b.question(ctx, AskAllow, allowQuestion(r, cfg.ValidatorSeesRequest))
			if err != nil {
				return callbacks.Decision{}, err
			}
			return decodeDecision(answer)
		}
	}
	if cfg.HasBucketCreds {
		h.BucketCredsFetcher = b.bucketCreds
	}
	return h
}

func (b *Bridge) secret(ctx context.Context, accessKey string) (callbacks.Secret, error) {
	answer, err := b.question(ctx, AskSecret, secretQuestion(accessKey))
	if err != nil {
		return callbacks.Secret{}, err
	}
	return decodeSecret(answer)
}

func (b *Bridge) bucketCreds(ctx context.Context, token, bucket string) (secret.Value, error) {
	answer, err := b.question(ctx, AskBucketCreds, credsQuestion(token, bucket))
	if err != nil {
		return secret.Value{}, err
	}
	return decodeCreds(answer)
}

func (b *Bridge) question(ctx context.Context, question int32, json []byte) ([]byte, error) {
	call, answer := b.calls.open()
	defer b.calls.close(call)
	result, err := b.ask(call, question, json)
	if err != nil {
		return nil, err
	}
	switch result {
	case AskAnswered:
		select {
		case a := <-answer:
			return a, nil
		default:
			return nil, fmt.Errorf("%w: it gave no answer", ErrFailed)
		}
	case AskPending:
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
func (b *Bridge) ask(call uint64, question int32, json []byte) (int32, error) {
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
	return b.owner(call, question, json), nil
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
