//go:build !linux || race

package tcp

import "syscall"

// Quiet reports whether the peer has neither closed the connection nor sent anything
// that was not read yet. It is for a connection that nobody reads from.
func (c *Conn) Quiet() bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	err = raw.Control(func(fd uintptr) {
		var one [1]byte
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = err == syscall.EAGAIN
	})
	return err == nil && quiet
}
