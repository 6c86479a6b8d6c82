package front

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// shut ends a socket for the peer, also while a child of this process, forked by
// a callback say, has a duplicate: close(2) alone would end it with the last of
// them. A listening one takes no connection from then on, on Linux. It is for a
// socket that is closed next.
func shut(socket syscall.Conn) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return // it is closed already
	}
	_ = raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RDWR) }) // fails where the peer was first
}
