package h2

import (
	"errors"
	"net"
	"time"
)

const readBuffer = 4 << 10

// input is what a connection's one reader reads from. It writes what the connection
// has to say before it waits for more: acknowledgements leave together.
type input struct {
	c        *conn
	buf      []byte // buf[r:w] was read and is not yet used
	r, w     int
	begun    bool // a frame is incomplete
	patient  bool // it is a body's, whose handler decides how long that may take
	hurrying bool // the deadline is that of a head
}

// Read implements io.Reader.
func (in *input) Read(p []byte) (int, error) {
	if in.r == in.w {
		if len(p) >= len(in.buf) {
			return in.fetch(p)
		}
		n, err := in.fetch(in.buf)
		if n == 0 {
			return 0, err
		}
		in.r, in.w = 0, n
	}
	n := copy(p, in.buf[in.r:in.w])
	in.r += n
	in.begun = true
	return n, nil
}

// endFrame notes that the next byte begins a frame.
func (in *input) endFrame() {
	in.begun, in.patient = false, false
	if in.hurrying && !in.c.head.open() {
		in.hurrying = false
		in.arm(in.c.server.IdleTimeout)
	}
}

// fetch reads from the network. There are two deadlines: that of a head or a frame
// that has begun, and that of a connection without requests. The latter is not moved
// with each request, but looked at when it has passed.
func (in *input) fetch(p []byte) (int, error) {
	in.c.out.catchUp()
	if (in.begun && !in.patient || in.c.head.open()) && !in.hurrying {
		in.hurrying = true
		in.arm(in.c.server.ReadHeaderTimeout)
	}
	for {
		n, err := in.c.net.Read(p)
		if n > 0 || !isTimeout(err) {
			return n, err
		}
		left, ended := in.c.idleTime()
		switch {
		case ended == errRetired: // even within a frame: its last response may not have left yet
			return 0, ended
		case in.hurrying:
			return 0, err
		case ended != nil:
			return 0, ended
		}
		in.arm(left)
	}
}

func (in *input) arm(d time.Duration) {
	in.c.mu.Lock()
	defer in.c.mu.Unlock()
	_ = in.c.net.SetReadDeadline(time.Now().Add(d)) // fails on a closed connection, as the next read does
	in.c.endIfRetired()
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
