//go:build linux && !race

package tcp

import (
	"syscall"
	"unsafe"
)

// probe looks at a connection without reading from it.
type probe struct {
	try   func(fd uintptr)
	quiet bool
}

func (p *probe) look(fd uintptr) {
	var one byte
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&one)), 1, syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	p.quiet = errno == syscall.EAGAIN
}

// Quiet reports whether the peer has neither closed the connection nor sent anything
// that was not read yet. It is for a connection that nobody reads from.
func (c *Conn) Quiet() bool {
	c.probe.quiet = false
	return c.raw.Control(c.probe.try) == nil && c.probe.quiet
}
