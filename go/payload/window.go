package payload

import (
	"bytes"
	"errors"
	"io"
)

const (
	// framingBuffer is for the lines of the framing, and for reads too small to
	// be decoded in place.
	framingBuffer = 4096
	// maxNothing is how often in a row a source may deliver nothing.
	maxNothing = 100
)

var errLongLine = errors.New("a line of the framing exceeds the limit")

// window is what was read of a body and is not decoded yet. A body is read into
// the memory that waits for its payload, if there is room, and decoded in
// place: the lines between two chunks need no reads of their own, which would
// cost more than moving the payload over them.
type window struct {
	source io.Reader
	rest   []byte
	own    [framingBuffer]byte
	room   []byte // lent by the reader of the payload, until keep; nil: there is only own
}

// lend lets the window use memory until keep, for at most so many bytes at a
// time.
func (w *window) lend(room []byte, most int64) {
	if len(room) >= len(w.own) {
		w.room = room[:min(int64(len(room)), most)]
	}
}

// keep moves what is left into the window's own memory, which has room for
// everything that may follow the end of a chunk: see atHeader.
func (w *window) keep() {
	if w.room != nil {
		w.rest = w.own[:copy(w.own[:], w.rest)]
		w.room = nil
	}
}

// more reads at least one byte after rest. An error is the source's, and then
// nothing was read.
func (w *window) more() error {
	room := w.room
	if room == nil {
		room = w.own[:]
	}
	had := copy(room, w.rest)
	w.rest = room[:had]
	for range maxNothing {
		n, err := w.source.Read(room[had:])
		if w.rest = room[:had+n]; n > 0 || err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// take takes n bytes that are available.
func (w *window) take(n int) []byte {
	taken := w.rest[:n]
	w.rest = w.rest[n:]
	return taken
}

// line takes a line with its LF, which is valid until the next call.
func (w *window) line() ([]byte, error) {
	for {
		if n := lineLength(w.rest); n > 0 {
			return w.take(n), nil
		}
		if len(w.rest) >= maxLine {
			return nil, errLongLine
		}
		if err := w.more(); err != nil {
			return nil, err
		}
	}
}

// lineLength returns 0 if there is no LF within a line's limit.
func lineLength(b []byte) int { return bytes.IndexByte(b[:min(len(b), maxLine)], '\n') + 1 }
