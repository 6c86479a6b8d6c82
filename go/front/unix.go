package front

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// socketMode lets only the user of the process, and root, connect.
const socketMode = 0o600

// OpenUnix binds a unix socket whose file is removed when it is closed. A file left
// over by a process that ended without that is replaced. If somebody is listening, or
// the file is not a socket, the error wraps syscall.EADDRINUSE.
func OpenUnix(path string) (net.Listener, error) {
	l, err := openUnix(path)
	if errors.Is(err, syscall.EADDRINUSE) && stale(path) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return openUnix(path)
	}
	return l, err
}

func openUnix(path string) (net.Listener, error) {
	how := net.ListenConfig{Control: setMode}
	l, err := how.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, socketMode); err != nil { // in case setMode had no effect
		_ = l.Close() // nobody has been served yet
		return nil, err
	}
	return l, nil
}

// setMode gives a socket its mode before it is bound: on Linux the file is created
// with it, so nobody else can connect in between. A umask would affect all threads of
// the process.
func setMode(_, _ string, socket syscall.RawConn) error {
	return socket.Control(func(fd uintptr) { _ = unix.Fchmod(int(fd), socketMode) })
}

// stale reports whether a file is a socket on which nobody listens any more.
func stale(path string) bool {
	before, err := os.Lstat(path)
	if err != nil || before.Mode().Type() != fs.ModeSocket {
		return false
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		_ = conn.Close() // somebody listens
		return false
	}
	after, gone := os.Lstat(path)
	return errors.Is(err, syscall.ECONNREFUSED) && gone == nil && os.SameFile(before, after)
}
