package shared

import (
	"errors"
	"log/slog"
	"sync"
	"time"
)

// ErrAway says that the shared state can't be reached. What is done then is
// the caller's business.
var ErrAway = errors.New("the shared state is away")

// openFor is how long nobody waits for a server that has just failed.
const openFor = time.Second

// breaker spares requests a wait for a server that is away: after a failure it
// is open, and one probe at a time looks whether the server is back.
type breaker struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	away    bool
	retry   time.Time // when the next probe may look
	probing bool
}

// enter reports whether the server may be asked. Whoever is let in says with
// leave how it went.
func (b *breaker) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.away {
		return true
	}
	if b.probing || b.now().Before(b.retry) {
		return false
	}
	b.probing = true
	return true
}

// leave notes the outcome, and logs when it changes, once.
func (b *breaker) leave(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
	switch {
	case err == nil && b.away:
		b.away = false
		b.log.Info("the shared state is back")
	case err != nil:
		if !b.away {
			b.log.Warn("the shared state is away", "error", err)
		}
		b.away, b.retry = true, b.now().Add(openFor)
	}
}

// open reports whether the server counts as away.
func (b *breaker) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.away
}
