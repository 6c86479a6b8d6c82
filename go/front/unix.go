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

// socketMode lets nobody connect but the user of the process, and root.
const socketMode = 0o600

// OpenUnix binds a unix socket, and removes it when it is closed. The file that
// a process has left which ended without that is replaced; where somebody
// listens, or where the file is none of a socket, the error wraps
// syscall.EADDRINUSE.
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
	how := net.ListenConfig{Control: protect}
	l, err := how.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, socketMode); err != nil { // where protect could not
		_ = l.Close() // nobody was served yet
		return nil, err
	}
	return l, nil
}

// protect gives a socket its mode before it has a name: on Linux the file gets
// it at its birth, so that nobody can connect in between. A umask would be one
// for all threads of the process.
func protect(_, _ string, socket syscall.RawConn) error {
	return socket.Control(func(fd uintptr) { _ = unix.Fchmod(int(fd), socketMode) })
}

// stale reports whether a file is that of a socket on which nobody listens any more.
func stale(path string) bool {
	before, err := os.Lstat(path)
	if err != nil || before.Mode().Type() != fs.ModeSocket {
		return false
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		_ = conn.Close() // it lives
		return false
	}
	after, gone := os.Lstat(path)
	return errors.Is(err, syscall.ECONNREFUSED) && gone == nil && os.SameFile(before, after)
}
