package shared

import (
	"log/slog"
	"sync"
	"time"
)

// openFor is how long nobody waits for a server that has just failed.
const openFor = time.Second

// breaker spares requests a wait for a server that is away. Any command that
// fails by the server's fault opens it; heartbeats, which do not ask it, close
// it, if they take no longer than a command may. Commands whose asker has left, and those that fail by what is stored
// under one key, say nothing about the server.
type breaker struct {
	log *slog.Logger
	now func() time.Time

	mu    sync.Mutex
	away  bool
	until time.Time // it stays open at least until then
}

// failed notes that the server failed, and logs it, once.
func (b *breaker) failed(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.away {
		b.log.Warn("the shared state is away", "error", err)
	}
	b.away, b.until = true, b.now().Add(openFor)
}

// beats notes that a heartbeat went well, as fast as commands have to, and logs
// that the server is back, once.
func (b *breaker) beats() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away && !b.now().Before(b.until) {
		b.away = false
		b.log.Info("the shared state is back")
	}
}

// open reports whether the server counts as away.
func (b *breaker) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.away
}
