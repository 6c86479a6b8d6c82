package accesslog

import (
	"bytes"
	"sync"
	"time"
)

// queue keeps lines, up to a number of bytes, until one goroutine takes them.
type queue struct {
	mu      sync.Mutex
	changed sync.Cond
	lines   []byte
	spare   []byte // the lines that were taken last, reused for the next
	most    int
	closed  bool
}

func newQueue(most int) *queue {
	q := &queue{most: most}
	q.changed.L = &q.mu
	return q
}

// put adds a line, or reports that there is no room for it.
func (q *queue) put(line []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || len(q.lines)+len(line) > q.most {
		return false
	}
	q.lines = append(q.lines, line...)
	q.changed.Signal()
	return true
}

// take waits for lines and takes all of them; they are valid until the next
// take. more is false if nothing will follow.
func (q *queue) take() (lines []byte, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.lines) == 0 && !q.closed {
		q.changed.Wait()
	}
	lines = q.lines
	q.lines, q.spare = q.spare[:0], lines
	return lines, !q.closed
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}

// write writes lines. Lines that can't be written are lost and counted: a log
// never stops the requests that it is about.
func (l *Log) write(lines []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.torn {
		if _, err := l.out.Write([]byte{'\n'}); err != nil {
			l.lost(lines, err)
			return
		}
		l.torn = false
	}
	n, err := l.out.Write(lines)
	if err != nil {
		l.torn = n > 0 && lines[n-1] != '\n'
		l.lost(lines[n:], err)
		return
	}
	l.bad = false
	if l.said {
		l.said = false
		l.log.Warn("the access log can be written again", "lost", l.dropped.Load())
	}
}

// lost counts lines, and logs the reason when it begins, but not too often: a
// disk may be full again and again.
func (l *Log) lost(lines []byte, err error) {
	l.dropped.Add(uint64(bytes.Count(lines, []byte{'\n'})))
	if l.bad {
		return
	}
	l.bad = true
	if now := time.Now(); now.Sub(l.told) >= tellEvery {
		l.told, l.said = now, true
		l.log.Error("the access log can't be written; its lines are lost", "error", err)
	}
}
