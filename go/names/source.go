package names

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// maxToken bounds what is held of a document. A key has 1,024 bytes.
const maxToken = 1 << 20

var errLongToken = errors.New("a part of the document is longer than any S3 has")

// source hands a document to the decoder byte by byte and remembers what it
// took, so that tokens can be passed on as they came.
type source struct {
	in    *bufio.Reader
	out   *bufio.Writer
	flush func() error

	raw  []byte // taken by the decoder
	done int    // how much of raw has been passed on
	from int64  // the offset of raw
}

// ReadByte implements io.ByteReader. Before it waits for the store it sends
// the client what there is.
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

// Read makes the decoder accept a source; it uses ReadByte.
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

// prologue passes on what comes before the root element, each byte at once. For
// an answer that hides names that is the declaration alone.
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
			return errors.New("no XML document")
		}
		c, _ := s.in.ReadByte() // it was there to peek at
		if err := s.out.WriteByte(c); err != nil {
			return err
		}
	}
}
