package logs

import (
	"bytes"
	"errors"
	"strconv"
	"sync"
	"time"
)

// Ring is an io.Writer that keeps lines until Next takes them, up to a number
// of bytes. Lines that find it full are dropped and counted, so that what
// started a flood of lines is kept.
type Ring struct {
	mu      sync.Mutex
	lines   bytes.Buffer
	count   int
	dropped uint64
	max     int
	ready   chan struct{} // holds a token while Next may have something to do
}

// NewRing returns a ring for at most maxBytes bytes of lines.
func NewRing(maxBytes int) *Ring {
	return &Ring{max: maxBytes, ready: make(chan struct{}, 1)}
}

// ErrFull says that a line was dropped.
var ErrFull = errors.New("the ring of log lines is full")

// Write adds one line, a JSON object that may end in a newline. It never waits;
// its error is ErrFull.
func (r *Ring) Write(line []byte) (n int, err error) {
	n = len(line)
	r.mu.Lock()
	if r.lines.Len()+len(line) > r.max {
		r.dropped++
		n, err = 0, ErrFull
	} else {
		if r.count > 0 {
			r.lines.WriteByte(',')
		}
		r.lines.Write(bytes.TrimSuffix(line, []byte("\n")))
		r.count++
	}
	r.mu.Unlock()
	r.Wake()
	return n, err
}

// Wake makes a waiting Next return, with nothing if there is nothing.
func (r *Ring) Wake() {
	select {
	case r.ready <- struct{}{}:
	default:
	}
}

// Next waits for at most timeout until there are lines, and takes all of them:
// {"dropped": number, "lines": [...]}, or nil if it has nothing. Dropped counts
// since the last Next.
func (r *Ring) Next(timeout time.Duration) []byte {
	if batch := r.take(); batch != nil || timeout <= 0 {
		return batch
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-r.ready:
	case <-timer.C:
	}
	return r.take()
}

func (r *Ring) take() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count == 0 && r.dropped == 0 {
		return nil
	}
	select {
	case <-r.ready: // what it announced has been taken now
	default:
	}
	batch := make([]byte, 0, r.lines.Len()+64)
	batch = append(batch, `{"dropped":`...)
	batch = strconv.AppendUint(batch, r.dropped, 10)
	batch = append(batch, `,"lines":[`...)
	batch = append(batch, r.lines.Bytes()...)
	batch = append(batch, "]}"...)
	r.lines = bytes.Buffer{}
	r.count, r.dropped = 0, 0
	return batch
}
