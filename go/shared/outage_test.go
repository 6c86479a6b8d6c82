package shared

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestARevocationIsRecordedAsSoonAsTheServerIsBack(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	f := newFleet(t, s)
	r := f.replica()
	s.kill()
	if _, err := r.Use(t.Context(), "u", 1, time.Now().Add(time.Hour)); !errors.Is(err, ErrAway) {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		done <- r.Revoke(ctx, Revocation{Token: ptr("x")})
	}()
	s.start()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestARevocationThatNobodyWaitsForIsRecorded(t *testing.T) {
	f := newFleet(t, newServer(t))
	a, b := f.replica(), f.replica()
	v, err := b.get(t.Context(), "x", "y")
	must(t, v, err, "answer to x/y")
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	if err := a.Revoke(ctx, Revocation{Token: ptr("x")}); !errors.Is(err, ErrUnconfirmed) {
		t.Errorf("got %v", err)
	}
	f.changesItsMind()
	eventually(t, "the other replica has not heard of it", func() bool {
		v, err := b.get(t.Context(), "x", "y")
		return err == nil && v == "new"
	})
}

func TestAnAskerWhoLeavesSaysNothingAboutTheServer(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	r := newFleet(t, s).replica(func(o *Options) { o.Timeout = time.Second })
	r.fallSilent() // a heartbeat would say something
	ctx, cancel := context.WithCancel(t.Context())
	s.signal(syscall.SIGSTOP)
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err := r.Use(ctx, "u", 1, time.Now().Add(time.Hour))
	s.signal(syscall.SIGCONT)
	if !errors.Is(err, context.Canceled) || r.breaker.open() {
		t.Errorf("got %v, away: %v", err, r.breaker.open())
	}
}

func TestWhatStandsUnderOneKeySaysNothingAboutTheServer(t *testing.T) {
	s := newServer(t)
	f := newFleet(t, s)
	r := f.replica()
	k := r.keys(r.at.Load().log, itemOf("x", "y"))
	for _, junk := range []string{"x", "-5", "nan", "inf", "1e400", "99999999999999999999999", strings.Repeat("9", 1<<20), ""} {
		for _, key := range []string{k.value, k.marker, k.scopes[0], k.scopes[3], r.key("uses:" + r.names.Name("use", "u"))} {
			s.command("SET", key, junk)
		}
		v, err := f.replica().get(t.Context(), "x", "y")
		must(t, v, err, "answer to x/y")
		if ok, err := r.Use(t.Context(), "u", 1, time.Now().Add(time.Hour)); ok {
			t.Errorf("%.20q is room for another use, %v", junk, err)
		}
		s.command("DEL", r.key("uses:"+r.names.Name("use", "u")))
		s.command("LPUSH", r.key("uses:"+r.names.Name("use", "u")), junk)
		if ok, err := r.Use(t.Context(), "u", 1, time.Now().Add(time.Hour)); ok || !errors.Is(err, ErrAway) {
			t.Errorf("a list is room for another use, %v", err)
		}
		if r.breaker.open() {
			t.Errorf("%.20q opens the breaker", junk)
		}
		s.command("DEL", r.key("uses:"+r.names.Name("use", "u")))
		for _, field := range []string{"sealed", "epochs", "renew"} {
			s.command("HSET", k.value, field, junk)
		}
		s.command("LPUSH", k.marker, junk)
		v, err = f.replica().get(t.Context(), "x", "y")
		must(t, v, err, "answer to x/y")
	}
	for _, field := range []string{"number", "last", "log", "server", "term"} {
		for _, junk := range []string{"x", "-5", "nan", "inf", "1e400", "0.5", "9007199254740993", strings.Repeat("9", 1<<20), ""} {
			s.command("HSET", "osp:{test}:head", field, junk)
			v, err := f.replica().get(t.Context(), "x", "y")
			must(t, v, err, "answer to x/y")
		}
	}
	alive(t, r)
}

func TestAServerThatTakesNoWritesIsLeft(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	r := newFleet(t, s).replica()
	connection := r.client.Load()
	s.command("REPLICAOF", "127.0.0.1", "1")
	eventually(t, "the lease does not end", func() bool { return r.Generation() == 0 })
	if r.client.Load() == connection {
		t.Error("the connection is still there")
	}
	s.command("REPLICAOF", "NO", "ONE")
	alive(t, r)
}

func TestACommandOfAnOlderConnectionLeavesTheNewOne(t *testing.T) {
	s := newServer(t)
	r := newFleet(t, s).replica()
	r.fallSilent()
	s.command("REPLICAOF", "127.0.0.1", "1")
	_, err := r.adopt(t.Context(), beatTimeout)
	if faultOf(err) != faultOfRole {
		t.Fatal(err)
	}
	older := r.client.Swap(nil)
	defer (*older).Close()
	if _, err := r.connected(t.Context()); err != nil {
		t.Fatal(err)
	}
	newer := r.client.Load()
	r.failed(older, err)
	if r.client.Load() != newer {
		t.Error("the new connection is gone")
	}
	r.failed(newer, err)
	if r.client.Load() != nil {
		t.Error("the connection is still there")
	}
}

func TestAWayOutIsLoggedOnce(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var log strings.Builder
	r := newFleet(t, s).replica(func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	s.kill()
	eventually(t, "the lease does not end", func() bool { return r.Generation() == 0 })
	s.start()
	eventually(t, "it is still away", func() bool { return r.Generation() != 0 && !r.breaker.open() })
	r.Close()
	if strings.Count(log.String(), "is away") != 1 || strings.Count(log.String(), "is back") != 1 {
		t.Error(log.String())
	}
}

func TestTheEndIsNotHeldUpByAServerThatHangs(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	r := newFleet(t, s).replica()
	s.signal(syscall.SIGSTOP)
	defer s.signal(syscall.SIGCONT)
	done := make(chan struct{})
	go func() { defer close(done); r.Close() }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Error("it hangs, too")
	}
}
