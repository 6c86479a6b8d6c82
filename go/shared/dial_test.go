package shared

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"osp/go/shared/address"
)

// mute is a server that lets everybody in and says nothing. It counts whom.
func mute(t *testing.T) (at *address.Address, came *atomic.Int64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	came = &atomic.Int64{}
	var conns []net.Conn
	var ended sync.WaitGroup
	ended.Go(func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			conns = append(conns, c)
			came.Add(1)
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		ended.Wait()
		for _, c := range conns {
			_ = c.Close()
		}
	})
	if at, err = address.Parse("unix://" + path); err != nil {
		t.Fatal(err)
	}
	return at, came
}

func unopened(t *testing.T, at *address.Address) *State {
	t.Helper()
	s := New(Options{Address: at, Namespace: "test", Keyring: keyring(t, "k1"), Timeout: time.Second})
	t.Cleanup(s.Close)
	return s
}

func TestWhoeverNeedsAConnectionWaitsForTheSame(t *testing.T) {
	t.Parallel()
	at, came := mute(t)
	s := unopened(t, at)
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), recordFor/10)
			defer cancel()
			if err := s.Revoke(ctx, Revocation{Token: ptr("x")}); !errors.Is(err, ErrNotRecorded) {
				t.Errorf("got %v", err)
			}
		})
	}
	wait.Wait()
	if n := came.Load(); n == 0 || n > 5 { // some try twice
		t.Errorf("%d connections", n)
	}
}

func TestWhoeverDoesNotWaitForAConnectionLeaves(t *testing.T) {
	t.Parallel()
	at, _ := mute(t)
	s := unopened(t, at)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.connected(ctx); !errors.Is(err, context.Canceled) || !errors.Is(err, ErrAway) {
		t.Errorf("got %v", err)
	}
	s.connecting.Lock()
	defer s.connecting.Unlock()
	if s.dialing == nil {
		t.Error("he waited until there was none")
	}
}

func TestManyWhoNeedAConnectionGetOne(t *testing.T) {
	t.Parallel()
	at, err := address.Parse("unix://" + newServer(t).socket)
	if err != nil {
		t.Fatal(err)
	}
	s := unopened(t, at)
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if c, err := s.connected(t.Context()); err != nil || c != *s.client.Load() {
				t.Errorf("got %v, %v", c, err)
			}
		})
	}
	wait.Wait()
}
