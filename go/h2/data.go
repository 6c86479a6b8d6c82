package h2

import (
	"errors"
	"io"

	"golang.org/x/net/http2"
)

// readData reads a DATA frame into its stream's body.
func (c *conn) readData(h http2.FrameHeader) error {
	if h.StreamID == 0 {
		return connError(http2.ErrCodeProtocol)
	}
	c.in.patient = true
	length := int(h.Length)
	padding := 0
	if h.Flags.Has(http2.FlagDataPadded) {
		var one [1]byte
		if length == 0 {
			return connError(http2.ErrCodeFrameSize)
		}
		if _, err := io.ReadFull(&c.in, one[:]); err != nil {
			return err
		}
		length, padding = length-1, int(one[0])
		if padding > length {
			return connError(http2.ErrCodeProtocol)
		}
		length -= padding
	}
	s, err := c.accept(h, length)
	if failed := (http2.StreamError{}); err != nil && !errors.As(err, &failed) {
		return err
	}
	if s == nil {
		if derr := c.discard(length + padding); derr != nil {
			return derr
		}
		return err
	}
	if err := s.fill(length); err != nil {
		return err
	}
	if err := c.discard(padding); err != nil {
		return err
	}
	if h.Flags.Has(http2.FlagDataEndStream) {
		return c.endBody(s.id)
	}
	return nil
}

// accept counts a DATA frame against the windows and returns the stream that takes
// it. What nobody takes, and padding, is owed to the client at once.
func (c *conn) accept(h http2.FrameHeader, content int) (*stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	whole := int64(h.Length)
	if c.receiveWindow -= whole; c.receiveWindow < 0 {
		return nil, connError(http2.ErrCodeFlowControl)
	}
	s := c.streams[h.StreamID]
	var err error
	switch {
	case s == nil:
		if err = c.notIdle(h.StreamID); err != nil {
			return nil, err
		}
		if h.StreamID > c.last {
			break // the client knows that it was not served
		}
		err = c.acceptLate(h.StreamID, whole, content, h.Flags.Has(http2.FlagDataEndStream))
	case s.remoteEnded:
		err = streamError(h.StreamID, http2.ErrCodeStreamClosed)
	default:
		err = s.body.accept(whole, content)
	}
	if s == nil || err != nil {
		c.owe(whole)
		return nil, err
	}
	if padding := whole - int64(content); padding > 0 {
		s.body.padded = true
		s.body.giveBack(padding)
	}
	return s, nil
}

// acceptLate counts what comes for a closed stream. A client that can't send all of a
// body that is not wanted is told so. The caller holds c.mu.
func (c *conn) acceptLate(id uint32, whole int64, content int, ends bool) error {
	s := c.wasClosed(id)
	if s == nil || !s.open {
		return streamError(id, http2.ErrCodeStreamClosed)
	}
	s.open = !ends
	if s.left >= 0 {
		if s.left -= int64(content); s.left < 0 || ends && s.left > 0 {
			s.left = -1
			return streamError(id, http2.ErrCodeProtocol)
		}
	}
	if s.room -= whole; s.room < maxFrame && s.left < 0 && !ends && !s.told {
		s.told = true
		c.out.control(http2.FrameRSTStream, id, uint32(http2.ErrCodeNo))
	}
	return nil
}

func (c *conn) discard(n int) error {
	if n == 0 {
		return nil
	}
	var scrap [1 << 10]byte
	for n > 0 {
		m, err := c.in.Read(scrap[:min(n, len(scrap))])
		if err != nil {
			return err
		}
		n -= m
	}
	return nil
}
