package h2

import (
	"errors"
	"io"

	"golang.org/x/net/http2"
)

func connError(code http2.ErrCode) error { return http2.ConnectionError(code) }

func streamError(stream uint32, code http2.ErrCode) error {
	return http2.StreamError{StreamID: stream, Code: code}
}

// readFrame reads a frame whose header has been read, and acts on it.
func (c *conn) readFrame(h http2.FrameHeader) error {
	if h.Type == http2.FrameData {
		return c.readData(h)
	}
	f, err := c.framer.ReadFrameForHeader(h)
	if err != nil {
		return ofBrokenFrame(h.Type, err)
	}
	switch f := f.(type) {
	case *http2.HeadersFrame:
		return c.onHeaders(f)
	case *http2.ContinuationFrame:
		return c.onFragment(f.HeaderBlockFragment(), f.HeadersEnded())
	case *http2.SettingsFrame:
		return c.onSettings(f)
	case *http2.WindowUpdateFrame:
		return c.onWindowUpdate(f)
	case *http2.RSTStreamFrame:
		return c.onReset(f)
	case *http2.PingFrame:
		if !f.IsAck() {
			c.out.ack(http2.FramePing, f.Data[:])
		}
	case *http2.PriorityFrame:
		if f.StreamDep == f.StreamID {
			return streamError(f.StreamID, http2.ErrCodeProtocol)
		}
	case *http2.PushPromiseFrame:
		return connError(http2.ErrCodeProtocol)
	}
	return nil
}

// ofBrokenFrame is the error of a frame that the framer could not parse. One that is part
// of a head ends the connection: what it would have changed in the table of HPACK is
// unknown, and the framer takes the head for one that goes on.
func ofBrokenFrame(t http2.FrameType, err error) error {
	if t != http2.FrameHeaders && t != http2.FrameContinuation {
		return err
	}
	failed := http2.StreamError{}
	switch {
	case errors.As(err, &failed):
		return connError(failed.Code)
	case errors.Is(err, io.ErrUnexpectedEOF): // too short for its own flags, or cut off
		return connError(http2.ErrCodeFrameSize)
	}
	return err
}

func (c *conn) onHeaders(f *http2.HeadersFrame) error {
	kind, err := c.kindOf(f.StreamID, f.StreamEnded())
	if err != nil {
		return err
	}
	c.head.begin(f.StreamID, kind, f.StreamEnded(), c.server.MaxHeaderBytes)
	if f.HasPriority() && f.Priority.StreamDep == f.StreamID {
		c.head.err = malformed("a stream that depends on itself")
	}
	return c.onFragment(f.HeaderBlockFragment(), f.HeadersEnded())
}

// kindOf says what the head is that begins a stream or goes on with one.
func (c *conn) kindOf(id uint32, ends bool) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[id]
	switch {
	case s != nil && s.remoteEnded:
		return 0, connError(http2.ErrCodeStreamClosed)
	case s != nil && !ends:
		return 0, connError(http2.ErrCodeProtocol)
	case s != nil:
		return ofTrailers, nil
	case id <= c.last:
		switch closed := c.wasClosed(id); {
		case closed == nil || closed.open && !ends:
			return 0, connError(http2.ErrCodeProtocol)
		case !closed.open:
			return 0, connError(http2.ErrCodeStreamClosed)
		}
		return ofTrailers, nil
	case id%2 == 0:
		return 0, connError(http2.ErrCodeProtocol)
	case c.retiring:
		c.seen = max(c.seen, id)
		return ofNobody, nil // the client knows from GOAWAY that it was not served
	}
	c.last, c.seen = id, id
	return ofRequest, nil
}

func (c *conn) onFragment(p []byte, last bool) error {
	h := &c.head
	if !h.open() {
		return connError(http2.ErrCodeProtocol)
	}
	if err := h.fragment(c.decoder, p); err != nil || !last {
		return err
	}
	id := h.stream
	defer h.drop() // its fields belong to a handler then
	if err := h.finish(c.decoder); err != nil {
		return err
	}
	switch {
	case h.kind == ofNobody:
		return nil
	case h.kind == ofTrailers && (h.err != nil || h.tooLong):
		return streamError(id, http2.ErrCodeProtocol)
	case h.kind == ofTrailers:
		return c.endBody(id)
	case h.err != nil:
		return streamError(id, http2.ErrCodeProtocol)
	}
	return c.open(id)
}

// open begins a stream with the request whose head has been read.
func (c *conn) open(id uint32) error {
	r, refusal, err := c.head.asked()
	if err != nil {
		return streamError(id, http2.ErrCodeProtocol)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.over:
		return nil
	case c.handlers >= maxStreams:
		return streamError(id, http2.ErrCodeRefusedStream)
	}
	s := c.newStream(id, r, refusal)
	c.streams[id] = s
	c.handlers++
	if c.resting {
		c.resting = false
		c.work <- s
	} else {
		go c.serveStreams(s)
	}
	return nil
}

func (c *conn) onSettings(f *http2.SettingsFrame) error {
	switch {
	case f.IsAck():
		return nil
	case f.NumSettings() > maxSettings:
		return connError(http2.ErrCodeEnhanceYourCalm)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err := f.ForeachSetting(func(s http2.Setting) error {
		if err := s.Valid(); err != nil {
			return err
		}
		if s.ID != http2.SettingInitialWindowSize {
			return nil
		}
		grown := int64(s.Val) - c.initialWindow
		c.initialWindow = int64(s.Val)
		for _, one := range c.streams {
			if one.sendWindow += grown; one.sendWindow > maxWindow {
				return connError(http2.ErrCodeFlowControl)
			}
			one.changed.Broadcast()
		}
		return nil
	})
	if err == nil {
		c.out.ack(http2.FrameSettings, nil)
	}
	return err
}

func (c *conn) onWindowUpdate(f *http2.WindowUpdateFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.StreamID == 0 {
		if c.sendWindow += int64(f.Increment); c.sendWindow > maxWindow {
			return connError(http2.ErrCodeFlowControl)
		}
		c.admitNext()
		return nil
	}
	s := c.streams[f.StreamID]
	if s == nil {
		if closed := c.wasClosed(f.StreamID); closed != nil && closed.open && !closed.told {
			if closed.sent += int64(f.Increment); closed.sent > maxWindow {
				return streamError(f.StreamID, http2.ErrCodeFlowControl)
			}
		}
		return c.notIdle(f.StreamID)
	}
	if s.sendWindow += int64(f.Increment); s.sendWindow > maxWindow {
		return streamError(f.StreamID, http2.ErrCodeFlowControl)
	}
	s.changed.Broadcast()
	return nil
}

func (c *conn) onReset(f *http2.RSTStreamFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[f.StreamID]
	if s == nil {
		if closed := c.wasClosed(f.StreamID); closed != nil {
			closed.open = false // now the client knows
		}
		return c.notIdle(f.StreamID)
	}
	c.forget(s, errReset)
	c.closeStream(s.id, false)
	return nil
}

// notIdle is an error if a stream was never opened. The caller holds c.mu.
func (c *conn) notIdle(id uint32) error {
	if id > c.seen || id%2 == 0 {
		return connError(http2.ErrCodeProtocol)
	}
	return nil
}

// reset ends a stream for a mistake of the client's. If there never was one, that ends
// the connection.
func (c *conn) reset(id uint32, code http2.ErrCode) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.notIdle(id); err != nil || id > c.last {
		return err
	}
	if s := c.streams[id]; s != nil {
		c.forget(s, streamError(id, code))
	}
	c.closeStream(id, true)
	c.out.control(http2.FrameRSTStream, id, uint32(code))
	return nil
}

// closeStream remembers a stream that is closed, and whether it was reset. The caller
// holds c.mu.
func (c *conn) closeStream(id uint32, reset bool) {
	c.remember(closedStream{id: id, open: reset, told: reset, left: -1})
}

// remember is closeStream for any state. The caller holds c.mu.
func (c *conn) remember(s closedStream) {
	if there := c.wasClosed(s.id); there != nil {
		there.open, there.told = there.open || s.open, there.told || s.told
		return
	}
	c.closed[c.closedNext] = s
	c.closedNext = (c.closedNext + 1) % len(c.closed)
}

// wasClosed returns what is remembered of a closed stream. The caller holds c.mu.
func (c *conn) wasClosed(id uint32) *closedStream {
	for i := range c.closed {
		if c.closed[i].id == id {
			return &c.closed[i]
		}
	}
	return nil
}
