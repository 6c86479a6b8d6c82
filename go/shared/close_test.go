package shared

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hangs runs a revocation at a server that hangs.
func hangs(t *testing.T, ctx context.Context, recorded bool, then func(*replica)) error {
	t.Helper()
	s := newServer(t)
	r := newFleet(t, s).replica()
	if recorded {
		silent := newFleet(t, s).replica()
		silent.fallSilent()
	} else {
		s.signal(syscall.SIGSTOP)
		defer s.signal(syscall.SIGCONT)
	}
	done := make(chan error, 1)
	go func() { done <- r.Revoke(ctx, Revocation{Token: ptr("x")}) }()
	then(r)
	select {
	case err := <-done:
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("it goes on")
		return nil
	}
}

func TestARevocationEndsWithItsReplica(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var closed *replica
	err := hangs(t, ctx, false, func(r *replica) { closed = r; r.Close() })
	if !errors.Is(err, ErrNotRecorded) {
		t.Errorf("got %v", err)
	}
	if client, err := closed.connected(t.Context()); err == nil || closed.client.Load() != nil {
		t.Errorf("it has a connection again: %v", client)
	}
}

func TestWhyARevocationIsNotConfirmedIsSaidOnce(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), Lease/2)
	defer cancel()
	err := hangs(t, ctx, true, func(*replica) {})
	if !errors.Is(err, ErrUnconfirmed) || strings.Contains(err.Error(), "deadline") {
		t.Errorf("got %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 2*recordFor)
	defer cancel()
	err = hangs(t, ctx, false, func(*replica) {})
	if !errors.Is(err, ErrNotRecorded) || strings.Count(err.Error(), "deadline") > 1 {
		t.Errorf("got %v", err)
	}
}
