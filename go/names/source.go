package names

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// maxToken bounds how much of a document is held back. A key has 1,024 bytes.
const maxToken = 1 << 20

var errLongToken = errors.New("a part of the document is longer than any in S3")

// source passes a document to the decoder byte by byte and records what it
// read, so that tokens can be passed on as they arrived.
type source struct {
	in    *bufio.Reader
	out   *bufio.Writer
	flush func() error

	raw  []byte // read by the decoder
	done int    // how much of raw has been passed on
	from int64  // the offset of raw
}

// ReadByte implements io.ByteReader. Before it waits for the store it sends the
// client everything that can be sent.
func (s *source) ReadByte() (byte, error) {
	if err := s.beforeWaiting(); err != nil {
		return 0, err
	}
	c, err := s.in.ReadByte()
	if err != nil {
		return 0, err
	}
	if s.done > 0 {
		s.raw = s.raw[:copy(s.raw, s.raw[s.done:])]
		s.from, s.done = s.from+int64(s.done), 0
	}
	if len(s.raw) == maxToken {
		return 0, errLongToken
	}
	s.raw = append(s.raw, c)
	return c, nil
}

// Read makes the decoder accept a source; the decoder uses ReadByte.
func (s *source) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

func (s *source) beforeWaiting() error {
	if s.in.Buffered() > 0 || s.out.Buffered() == 0 {
		return nil
	}
	if err := s.out.Flush(); err != nil {
		return err
	}
	return s.flush()
}

// take returns the bytes up to an offset, valid until the next ReadByte.
func (s *source) take(offset int64) []byte {
	begin := s.done
	s.done = int(offset - s.from)
	return s.raw[begin:s.done:s.done]
}

// prologue passes on what precedes the root element, each byte at once. For a
// response that hides names, that is only the declaration.
func (s *source) prologue(hides bool) error {
	for inside := false; ; {
		if err := s.beforeWaiting(); err != nil {
			return err
		}
		next, err := s.in.Peek(1)
		if err != nil {
			return err
		}
		if next[0] == '<' && !inside {
			two, err := s.in.Peek(2)
			if err != nil {
				return io.ErrUnexpectedEOF
			}
			if two[1] != '?' {
				return nil
			}
			if begin, _ := s.in.Peek(5); hides && string(begin) != "<?xml" {
				return errStrange
			}
			inside = true
		} else if next[0] == '>' {
			inside = false
		} else if !inside && !strings.ContainsRune(" \t\r\n\ufeff", rune(next[0])) && next[0] < 0x80 {
			return errors.New("not an XML document")
		}
		c, _ := s.in.ReadByte() // it has just been peeked at
		if err := s.out.WriteByte(c); err != nil {
			return err
		}
	}
}
