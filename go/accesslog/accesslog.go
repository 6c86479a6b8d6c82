// Package accesslog writes one line for each request that has ended. A request
// never waits for it: lines go into a bounded queue that a goroutine empties,
// and those that find it full are counted as lost. Everything that clients sent
// is escaped, so that no line can be forged; signatures, secrets and tokens
// never reach it.
package accesslog

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"osp/go/observe"
)

// Targets that are not files.
const (
	Stderr = "stderr"
	Python = "python" // the process's logger, as a child of its own
)

// LoggerKey is the attribute by which the consumer of the log lines recognises
// the child logger; ChildLogger is its value.
const (
	LoggerKey   = "logger"
	ChildLogger = "access"
)

const (
	queueBytes = 4 << 20
	closeTime  = 2 * time.Second // for the last lines
	tellEvery  = time.Minute     // between two lines about writes that fail
)

// Log is an access log. Make it with New, then Open it.
type Log struct {
	target string
	format Format
	log    *slog.Logger

	queue   *queue        // nil: Python's
	ended   chan struct{} // closed when writing has ended; nil: it never began
	dropped atomic.Uint64

	mu   sync.Mutex // of writing
	file *os.File   // nil: Stderr
	out  io.Writer
	torn bool      // the last line was not written completely
	bad  bool      // the last write failed
	said bool      // the log has said so
	told time.Time // when it last said so
}

// New returns a log that does not write yet. target is Stderr, Python or a
// file's path; problems go to log.
func New(target string, format Format, log *slog.Logger) *Log {
	l := &Log{target: target, format: format, log: log}
	if target != Python {
		l.queue = newQueue(queueBytes)
	}
	return l
}

// Open opens the file and begins to write. Its errors wrap the system's.
func (l *Log) Open() error {
	if l.queue == nil {
		return nil
	}
	if err := l.Reopen(); err != nil {
		return err
	}
	l.ended = make(chan struct{})
	go l.run(l.ended)
	return nil
}

// Reopen opens the file again, after it was moved away. If that fails, the old
// one stays in use. Its errors wrap the system's.
func (l *Log) Reopen() error {
	switch l.target {
	case Python:
		return nil
	case Stderr:
		l.mu.Lock()
		defer l.mu.Unlock()
		l.out = os.Stderr
		return nil
	}
	// Non-blocking: a pipe that nobody reads is an error, instead of blocking
	// the start.
	file, err := os.OpenFile(l.target, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, 0o640)
	if err != nil {
		return fmt.Errorf("access_log: %w", err)
	}
	l.mu.Lock()
	before := l.file
	l.file, l.out, l.torn = file, file, false
	l.mu.Unlock()
	if before != nil {
		_ = before.Close() // what was written there is safe
	}
	return nil
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Ended implements observe.Observer.
func (l *Log) Ended(x *observe.Exchange) {
	if l.queue == nil {
		l.hand(x)
		return
	}
	buffer := buffers.Get().(*[]byte)
	*buffer = append(l.format.line((*buffer)[:0], x), '\n')
	if !l.queue.put(*buffer) {
		l.dropped.Add(1)
	}
	buffers.Put(buffer)
}

// hand passes a line to the process's logger.
func (l *Log) hand(x *observe.Exchange) {
	handler := l.log.Handler()
	if !handler.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	record := slog.NewRecord(x.Begun.Add(x.Total), slog.LevelInfo, string(l.format.line(nil, x)), 0)
	record.AddAttrs(slog.String(LoggerKey, ChildLogger))
	details := attributes(x)
	record.AddAttrs(details[:]...)
	if handler.Handle(context.Background(), record) != nil {
		l.dropped.Add(1)
	}
}

// Dropped counts the lines that were lost.
func (l *Log) Dropped() uint64 { return l.dropped.Load() }

// Close writes the lines that wait, within a time limit, and closes the file.
// Later lines are lost.
func (l *Log) Close() {
	if l.ended == nil {
		return
	}
	l.queue.close()
	select {
	case <-l.ended:
	case <-time.After(closeTime):
		return // the writer is stuck in the system; the file is left to it
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		_ = l.file.Close() // errors of writing were noticed while writing
		l.file = nil
	}
}

func (l *Log) run(ended chan<- struct{}) {
	defer close(ended)
	for {
		lines, more := l.queue.take()
		if len(lines) > 0 {
			l.write(lines)
		}
		if !more {
			return
		}
	}
}
