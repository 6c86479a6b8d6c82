package front

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// socketPath is in a folder with a short name, since sun_path is short.
func socketPath(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "osp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return filepath.Join(folder, "s")
}

func TestAUnixSocketIsForItsUserAndGoesWithItsListener(t *testing.T) {
	path := socketPath(t)
	old := syscall.Umask(0) // the mode does not depend on it
	l, err := OpenUnix(path)
	syscall.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("got %v, %v", info, err)
	}
	if _, err := OpenUnix(path); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("where somebody listens: %v", err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the first is gone: %v", err)
	}
	_ = conn.Close()
	_ = l.Close()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after the end: %v", err)
	}
}

func TestTheSocketOfADeadProcessIsReplaced(t *testing.T) {
	path := socketPath(t)
	dead, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = dead.Close()
	l, err := OpenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

func TestAFileThatIsNoSocketStays(t *testing.T) {
	path := socketPath(t)
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenUnix(path); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %v", err)
	}
	if content, err := os.ReadFile(path); string(content) != "mine" || err != nil {
		t.Errorf("it holds %q, %v", content, err)
	}
	link := path + "2" // to a socket that is nobody's
	dead, err := net.Listen("unix", path+"3")
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = dead.Close()
	if err := os.Symlink(path+"3", link); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenUnix(link); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a link: %v", err)
	}
}

func TestConnectionsOfAUnixSocketGiveTheirPlaceBack(t *testing.T) {
	path := socketPath(t)
	inner, err := OpenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	l := Listen(inner, Options{Limit: 1})
	defer l.Close()
	for range 3 {
		client, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.RemoteAddr().String(); got != "unix" {
			t.Errorf("the peer is %q", got)
		}
		if _, ok := conn.(io.ReaderFrom); ok {
			t.Error("it claims that the kernel can move answers")
		}
		if l.Open() != 1 {
			t.Errorf("%d are open", l.Open())
		}
		_ = conn.Close()
		_ = conn.Close()
		_ = client.Close()
	}
	if l.Open() != 0 {
		t.Errorf("%d are open at the end", l.Open())
	}
}
