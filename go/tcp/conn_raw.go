//go:build linux && !race

package tcp

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// Package net announces each read and write to the scheduler, since a system call
// may block. That wakes the runtime's monitor (sysmon) from its sleep, which then
// looks every 20 µs for threads that are stuck, until all are idle again: at some
// hundred requests a second more than half of all context switches are its own. But
// Go's sockets never block, so nothing has to be announced: RawSyscall says the same
// to the kernel and nothing to the scheduler. A socket that isn't ready is waited for
// as always, in the network poller, with deadlines and Close.

// maxCall is how many bytes one system call moves at most, since its processor can do
// nothing else meanwhile.
const maxCall = 64 << 10

// shortcut is what a Conn needs to go past package net.
type shortcut struct {
	raw     syscall.RawConn
	in, out direction
	probe   probe
}

// direction is one half of a connection. Its closure is made once: one for each call
// would be an allocation.
type direction struct {
	mu   sync.Mutex // held by the Read or Write in progress; guards what follows
	try  func(fd uintptr) (done bool)
	p    []byte
	n    int
	fail syscall.Errno
}

// New returns a connection that takes over c.
func New(c *net.TCPConn) *Conn {
	made := &Conn{TCPConn: c}
	made.raw, _ = c.SyscallConn() // fails only without a socket
	made.in.try, made.out.try = made.in.read, made.out.write
	made.probe.try = made.probe.look
	return made
}

// read is one attempt to read. It is done unless there is nothing to read yet.
func (d *direction) read(fd uintptr) bool {
	d.n, d.fail = call(syscall.SYS_READ, fd, d.p)
	return d.fail != syscall.EAGAIN
}

// write writes as much as there is room for. It is done unless more is left.
func (d *direction) write(fd uintptr) bool {
	for d.n < len(d.p) {
		n, errno := call(syscall.SYS_WRITE, fd, d.p[d.n:])
		if d.fail = errno; errno != 0 {
			return errno != syscall.EAGAIN
		}
		d.n += n
	}
	return true
}

func call(number, fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall(number, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(min(len(p), maxCall)))
		switch errno {
		case 0:
			return int(n), 0
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

// Read implements io.Reader.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := c.do("read", &c.in, p, syscall.RawConn.Read)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

// Write implements io.Writer.
func (c *Conn) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return c.do("write", &c.out, p, syscall.RawConn.Write)
}

// do calls try until it is done, a deadline has passed or the connection is closed.
func (c *Conn) do(name string, d *direction, p []byte, until func(syscall.RawConn, func(uintptr) bool) error) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.p, d.n, d.fail = p, 0, 0
	err := until(c.raw, d.try)
	d.p = nil
	if err == nil && d.fail == 0 {
		return d.n, nil
	}
	if err == nil {
		err = os.NewSyscallError(name, d.fail)
	} else if op, ok := err.(*net.OpError); ok { // of "raw-read" or "raw-write"
		err = op.Err
	}
	return d.n, &net.OpError{Op: name, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
