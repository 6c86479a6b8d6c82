package front

import (
	"context"
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Open binds a TCP address. If shared, other processes of the same user may bind it,
// too, provided that they all share it (SO_REUSEPORT, socket(7)). The error wraps the
// system's.
func Open(address string, shared bool) (net.Listener, error) {
	var how net.ListenConfig
	if shared {
		how.Control = share
	}
	return how.Listen(context.Background(), "tcp", address)
}

func share(_, _ string, socket syscall.RawConn) error {
	var failed error
	err := socket.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	return errors.Join(err, failed)
}
