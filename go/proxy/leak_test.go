package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"osp/go/callbacks"
	"osp/go/config"
	"osp/go/config/configtest"
)

func TestServersThatStoppedLeaveNoGoroutines(t *testing.T) {
	for name, observed := range map[string]settings{
		"alone":    {},
		"observed": {"metrics_port": 0, "access_log": filepath.Join(t.TempDir(), "access.log")},
	} {
		t.Run(name, func(t *testing.T) { leaveNothing(t, observed) })
	}
}

func leaveNothing(t *testing.T, more settings) {
	if len(more) > 0 { // traces, too; nobody takes them
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
		t.Setenv("OTEL_TRACES_SAMPLER", "always_off")
	}
	more["cos_map"] = settings{"photos": settings{"host": "127.0.0.1", "port": 9}}
	cfg, err := config.Parse(configtest.Document(more))
	if err != nil {
		t.Fatal(err)
	}
	occupant, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer occupant.Close()
	occupied := occupant.Addr().(*net.TCPAddr).Port
	cycle := func() {
		s := New(cfg, callbacks.Set{}, slog.New(slog.DiscardHandler))
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
		taken := *cfg
		taken.HTTPPort = &occupied
		if err := New(&taken, callbacks.Set{}, slog.New(slog.DiscardHandler)).Listen(); !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatalf("listening on a port in use: %v", err)
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
