package pipeline

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"osp/go/access"
	"osp/go/observe"
)

// differencesASecond are the lines that the log gets about the shadow. Clients decide how
// often it decides otherwise, and must not fill a disk by it.
const differencesASecond = 10

// comparisons is told what the shadow says: all of it is counted, differences are logged.
type comparisons struct {
	log   *slog.Logger
	count func(outcome string) // nil: nobody counts

	mu      sync.Mutex
	since   time.Time // when the second began that lines are counted in
	lines   int
	leftOut int // since the last line
}

func newComparisons(o Options) *comparisons {
	c := &comparisons{log: o.Log}
	if o.Observer != nil {
		c.count = o.Observer.ShadowCompared
	}
	return c
}

func (c *comparisons) seen(made access.Comparison) {
	if c.count != nil {
		c.count(made.Outcome)
	}
	differs := made.Outcome == access.WouldAllow || made.Outcome == access.WouldRefuse
	if !differs && made.Panic == nil {
		return
	}
	leftOut, ok := c.mayLog(time.Now())
	if !ok {
		return
	}
	level, message := slog.LevelWarn, "the shadow decides otherwise"
	attrs := []slog.Attr{
		slog.String("access_key", observe.ShortKey(made.Request.Token)), slog.String("operation", made.Request.Operation),
		slog.String("bucket", observe.Clip(made.Request.Bucket)), slog.String("key", observe.Clip(made.Request.Key)),
		slog.String("now", observe.Clip(made.Now.String())),
	}
	if made.Panic == nil {
		attrs = append(attrs, slog.String("shadow", observe.Clip(made.Shadow.String())))
	} else {
		level, message = slog.LevelError, "panic in the shadow"
		attrs = append(attrs, slog.String("panic", made.Panic.Error()))
	}
	if leftOut > 0 {
		attrs = append(attrs, slog.Int("left_out", leftOut))
	}
	c.log.LogAttrs(context.Background(), level, message, attrs...)
}

// mayLog reports whether there may be another line, and how many there were not since
// the last one.
func (c *comparisons) mayLog(now time.Time) (leftOut int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.since) >= time.Second {
		c.since, c.lines = now, 0
	}
	if c.lines == differencesASecond {
		c.leftOut++
		return 0, false
	}
	c.lines++
	leftOut, c.leftOut = c.leftOut, 0
	return leftOut, true
}
