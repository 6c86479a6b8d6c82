package h2

import (
	"slices"
	"time"

	"golang.org/x/net/http2"
)

// maxWindow is the largest flow-control window (RFC 9113 section 6.9.1).
const maxWindow = 1<<31 - 1

// reserve takes as much of the client's windows as there is, at most n bytes, and
// waits if there is nothing. Streams that wait for the connection's window get it in
// turn.
func (s *stream) reserve(n int) (int, error) {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	defer s.leaveQueue()
	for flushed := false; ; {
		switch {
		case s.err != nil:
			return 0, s.err
		case s.sendWindow <= 0:
			s.leaveQueue()
		case c.sendWindow > 0 && (len(c.queue) == 0 || c.queue[0] == s):
			got := min(int64(n), s.sendWindow, c.sendWindow)
			s.sendWindow -= got
			c.sendWindow -= got
			c.countSent(got)
			return int(got), nil
		case !slices.Contains(c.queue, s):
			c.queue = append(c.queue, s)
		}
		if !flushed { // what the windows had room for until now
			flushed = true
			c.mu.Unlock()
			c.out.flush()
			c.mu.Lock()
			continue
		}
		if !s.wait(&s.writeDeadline) {
			c.forget(s, errStalled)
			c.out.control(http2.FrameRSTStream, s.id, uint32(http2.ErrCodeCancel))
			c.closeStream(s.id, true)
			return 0, s.err
		}
	}
}

// countSent counts what a client lets the server send: much of it shows that its
// frames come to something, but windows of a byte each do not (CVE-2019-9511). The
// caller holds c.mu.
func (c *conn) countSent(n int64) {
	if c.sent += n; c.sent >= maxFrame {
		c.sent, c.responded = 0, true
	}
}

// leaveQueue gives the connection's window to the next. The caller holds c.mu.
func (s *stream) leaveQueue() {
	if at := slices.Index(s.c.queue, s); at >= 0 {
		s.c.queue = slices.Delete(s.c.queue, at, at+1)
		s.c.admitNext()
	}
}

// admitNext wakes the stream that is first in the queue, if there is something to
// send. The caller holds c.mu.
func (c *conn) admitNext() {
	if len(c.queue) > 0 && c.sendWindow > 0 {
		c.queue[0].changed.Broadcast()
	}
}

// wait waits for a change, and reports false if the deadline passes first, which may
// be moved meanwhile. The caller holds c.mu. The timer is set for the first deadline
// that was waited for, and set again only when it has expired: deadlines move with
// each part of a body.
func (s *stream) wait(deadline *time.Time) bool {
	if !deadline.IsZero() {
		left := time.Until(*deadline)
		if left <= 0 {
			return false
		}
		if s.timerAt.IsZero() || deadline.Before(s.timerAt) {
			s.timerAt = *deadline
			if s.timer == nil {
				s.timer = time.AfterFunc(left, s.onTimer)
			} else {
				s.timer.Reset(left)
			}
		}
	}
	s.changed.Wait()
	return true
}

func (s *stream) onTimer() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.timerAt = time.Time{}
	s.changed.Broadcast()
}

// owe notes what the client may send in addition, and reports whether it was told,
// which happens in large steps. The caller holds c.mu.
func (c *conn) owe(n int64) (told bool) {
	if c.owed += n; c.owed < connWindow/4 {
		return false
	}
	c.out.control(http2.FrameWindowUpdate, 0, uint32(c.owed))
	c.receiveWindow += c.owed
	c.owed = 0
	return true
}
