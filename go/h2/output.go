package h2

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"

	"osp/go/serving"
)

const (
	frameHeader = 9

	smallOut = 20 << 10 // enough for most of what is said at a time
	largeOut = 144 << 10
	// flushAt is how many bytes wait for a write before their writer does: four of
	// TLS's records.
	flushAt = 64 << 10
)

var (
	smallOuts = sync.Pool{New: func() any { return new([smallOut]byte) }}
	largeOuts = sync.Pool{New: func() any { return new([largeOut]byte) }}
)

var errClosed = errors.New("the connection has been closed")

// output is what a connection has to say. Frames are appended whole, in the order in
// which they leave; whoever flushes takes along what the others have appended.
type output struct {
	net      net.Conn
	together together // the same; nil: it can't
	timeout  time.Duration

	mu       sync.Mutex
	taken    sync.Cond // a write has ended
	buf      []byte    // frames to be written; nil: none
	writing  bool      // a goroutine writes what buf was
	wanted   bool      // it is to write what buf is then
	err      error     // of a write; nothing is said any more
	deadline time.Time // of writes, as set
}

func (o *output) init(nc net.Conn, timeout time.Duration) {
	o.net, o.timeout, o.taken.L = nc, timeout, &o.mu
	o.together, _ = nc.(together)
}

// grow makes room for n bytes. The caller holds o.mu.
func (o *output) grow(n int) {
	want := len(o.buf) + n
	if want <= cap(o.buf) {
		return
	}
	var larger []byte
	switch {
	case want <= smallOut:
		larger = smallOuts.Get().(*[smallOut]byte)[:0]
	case want <= largeOut:
		larger = largeOuts.Get().(*[largeOut]byte)[:0]
	default:
		larger = make([]byte, 0, 2*want)
	}
	old := o.buf
	o.buf = append(larger, old...)
	recycle(old)
}

func recycle(b []byte) {
	switch cap(b) {
	case smallOut:
		smallOuts.Put((*[smallOut]byte)(b[:smallOut]))
	case largeOut:
		largeOuts.Put((*[largeOut]byte)(b[:largeOut]))
	}
}

// frame appends the header of a frame. The caller holds o.mu.
func (o *output) frame(t http2.FrameType, flags http2.Flags, stream uint32, length int) {
	o.grow(frameHeader + length)
	o.buf = append(o.buf, byte(length>>16), byte(length>>8), byte(length), byte(t), byte(flags))
	o.uint32(stream)
}

func (o *output) uint32(v uint32) {
	o.buf = append(o.buf, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

// control appends a frame whose payload is a number: RST_STREAM or WINDOW_UPDATE.
func (o *output) control(t http2.FrameType, stream, value uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.frame(t, 0, stream, 4)
	o.uint32(value)
}

// settings appends what the server wants the client to know at first.
func (o *output) settings(maxHeaderList int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := []http2.Setting{
		{ID: http2.SettingMaxConcurrentStreams, Val: maxStreams},
		{ID: http2.SettingMaxHeaderListSize, Val: uint32(maxHeaderList)},
	}
	o.frame(http2.FrameSettings, 0, 0, 6*len(all))
	for _, s := range all {
		o.buf = append(o.buf, byte(s.ID>>8), byte(s.ID))
		o.uint32(s.Val)
	}
	o.frame(http2.FrameWindowUpdate, 0, 0, 4)
	o.uint32(connWindow - strangerWindow)
}

// ack acknowledges SETTINGS, or a PING with its content.
func (o *output) ack(t http2.FrameType, content []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.frame(t, http2.FlagPingAck, 0, len(content))
	o.buf = append(o.buf, content...)
}

func (o *output) goAway(last uint32, code http2.ErrCode) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.frame(http2.FrameGoAway, 0, 0, 8)
	o.uint32(last)
	o.uint32(uint32(code))
}

// headers appends a head whose fields encode appends, in as many frames as it takes.
func (o *output) headers(stream uint32, end bool, encode func(b []byte) []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	flags := http2.FlagHeadersEndHeaders
	if end {
		flags |= http2.FlagHeadersEndStream
	}
	o.frame(http2.FrameHeaders, flags, stream, 0)
	o.grow(2 << 10)
	at := len(o.buf)
	o.buf = encode(o.buf)
	if n := len(o.buf) - at; n <= maxFrame {
		putLength(o.buf[at-frameHeader:], n)
		return
	}
	block := append([]byte(nil), o.buf[at:]...)
	o.buf = append(o.buf[:at], block[:maxFrame]...)
	putLength(o.buf[at-frameHeader:], maxFrame)
	o.buf[at-frameHeader+4] &^= byte(http2.FlagHeadersEndHeaders)
	for block = block[maxFrame:]; len(block) > 0; {
		n := min(len(block), maxFrame)
		flags := http2.Flags(0)
		if n == len(block) {
			flags = http2.FlagContinuationEndHeaders
		}
		o.frame(http2.FrameContinuation, flags, stream, n)
		o.buf = append(o.buf, block[:n]...)
		block = block[n:]
	}
}

func putLength(header []byte, n int) {
	header[0], header[1], header[2] = byte(n>>16), byte(n>>8), byte(n)
}

// data appends a part of a body. It waits while much has to be written already.
func (o *output) data(stream uint32, p []byte, end bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.buf) >= flushAt && o.err == nil {
		o.write()
	}
	for {
		n := min(len(p), maxFrame)
		flags := http2.Flags(0)
		if end && n == len(p) {
			flags = http2.FlagDataEndStream
		}
		o.frame(http2.FrameData, flags, stream, n)
		o.buf = append(o.buf, p[:n]...)
		if p = p[n:]; len(p) == 0 {
			return o.err
		}
	}
}

// framed writes a part of a body at once, behind what was appended. Each frame's header
// takes the place of the bytes before its content: p begins with as many as it needs,
// and later ones have been written by then.
func (o *output) framed(stream uint32, p []byte, end bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.writing && o.err == nil {
		o.taken.Wait()
	}
	if o.err != nil {
		return o.err
	}
	before := o.buf
	o.buf, o.wanted = nil, false
	o.send(func(w io.Writer) error {
		if len(before) > 0 {
			if _, err := w.Write(before); err != nil {
				return err
			}
		}
		for len(p) > frameHeader {
			n := min(len(p), maxFrame)
			flags := http2.Flags(0)
			if end && n == len(p) {
				flags = http2.FlagDataEndStream
			}
			binary.BigEndian.PutUint32(p, uint32(n-frameHeader)<<8|uint32(http2.FrameData))
			p[4] = byte(flags)
			binary.BigEndian.PutUint32(p[5:], stream)
			if _, err := w.Write(p[:n]); err != nil {
				return err
			}
			p = p[n-frameHeader:]
		}
		return nil
	})
	recycle(before)
	if o.wanted && len(o.buf) > 0 && o.err == nil {
		o.write()
	}
	return o.err
}

// flush writes what was appended. If somebody is writing, they do it next.
func (o *output) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.writing {
		o.wanted = true
	} else if len(o.buf) > 0 {
		o.write()
	}
}

// catchUp is flush for the reader. It waits while more is to be written than parts of
// responses alone would be: who does not listen is not heard, either.
func (o *output) catchUp() {
	o.flush()
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.buf) > largeOut && o.err == nil {
		o.write()
	}
}

// drain waits until everything that was appended has been written.
func (o *output) drain() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for (o.writing || len(o.buf) > 0) && o.err == nil {
		o.write()
	}
}

// write writes what was appended, and what is flushed meanwhile; or it waits for
// whoever does. The caller holds o.mu, which is released meanwhile.
func (o *output) write() {
	if o.writing {
		o.taken.Wait()
		return
	}
	for more := true; more && o.err == nil; more = o.wanted && len(o.buf) > 0 {
		sent := o.buf
		o.buf, o.wanted = nil, false
		o.send(func(w io.Writer) error { _, err := w.Write(sent); return err })
		recycle(sent)
	}
}

// together is a connection that sends what write writes in as few packets as can be.
type together interface {
	Together(write func(io.Writer) error) error
}

// send writes some frames. The connection is of no use after an error: if it can't be
// written to, it isn't read from, either.
func (o *output) send(frames func(io.Writer) error) {
	o.extend()
	o.writing = true
	err := errClosed // after a panic
	o.mu.Unlock()
	defer func() {
		o.mu.Lock()
		o.writing = false
		if err != nil {
			o.err, o.buf = err, nil
			_ = serving.Raw(o.net).Close()
		}
		o.taken.Broadcast()
	}()
	if o.together != nil {
		err = o.together.Together(frames)
	} else {
		err = frames(o.net)
	}
}

// extend renews the deadline of writes, if it is no longer about as far as it can be.
func (o *output) extend() {
	if now := time.Now(); o.deadline.Sub(now) < o.timeout-o.timeout/64 {
		o.deadline = now.Add(o.timeout)
		_ = o.net.SetWriteDeadline(o.deadline)
	}
}

// close has all that wait give up.
func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = errClosed
	}
	o.taken.Broadcast()
}
