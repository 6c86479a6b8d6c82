package front

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// shutdown ends a socket for the peer even while a child of this process, forked by a
// callback for example, has a duplicate, which close(2) alone would not. On Linux a
// listening socket accepts no connections from then on. The caller closes the socket
// next.
func shutdown(socket syscall.Conn) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return // it is closed already
	}
	_ = raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RDWR) }) // fails where the peer was first
}
