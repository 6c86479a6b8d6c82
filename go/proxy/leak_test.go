package proxy

import (
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"testing"
	"time"

	"osp/go/config"
	"osp/go/hooks"
)

func TestServersThatStoppedLeaveNoGoroutines(t *testing.T) {
	cfg, err := config.Parse([]byte(`{"host": "127.0.0.1", "http_port": 0, "cos_map": {"photos": {"host": "127.0.0.1", "port": 9}}}`))
	if err != nil {
		t.Fatal(err)
	}
	cycle := func() {
		s := New(cfg, hooks.Hooks{}, slog.New(slog.DiscardHandler))
		if err := s.Listen(); err != nil {
			t.Fatal(err)
		}
		s.Serve()
		client := &http.Client{Transport: &http.Transport{}}
		resp, err := client.Get("http://127.0.0.1:" + strconv.Itoa(s.HTTPPort()) + "/photos/k")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Fatal(err)
		}
	}
	cycle()
	before := runtime.NumGoroutine()
	for range 50 {
		cycle()
	}
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before+2 { // the last ones may still be on their way out
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
		runtime.Gosched()
	}
}

func TestAServerThatNeverServedStops(t *testing.T) {
	cfg, err := config.Parse([]byte(`{"host": "127.0.0.1", "http_port": 0, "cos_map": {}}`))
	if err != nil {
		t.Fatal(err)
	}
	s := New(cfg, hooks.Hooks{}, slog.New(slog.DiscardHandler))
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	<-s.Done()
}
