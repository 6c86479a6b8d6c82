package tcp

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// pair is both ends of a connection, the first of them wrapped.
func pair(t testing.TB) (*Conn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	there, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	here, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = here.Close()
		_ = there.Close()
	})
	for _, c := range []net.Conn{here, there} {
		_ = c.SetDeadline(time.Now().Add(20 * time.Second)) // or a failing test would hang
	}
	return New(here.(*net.TCPConn)), there.(*net.TCPConn)
}

func TestEverythingArrivesInBothDirections(t *testing.T) {
	content := make([]byte, 16<<20) // more than sockets hold
	_, _ = rand.Read(content)
	for name, reversed := range map[string]bool{"written": false, "read": true} {
		here, there := pair(t)
		var from, to net.Conn = here, there
		if reversed {
			from, to = there, here
		}
		go func() {
			if n, err := from.Write(content); n != len(content) || err != nil {
				t.Errorf("%s: %d bytes, %v", name, n, err)
			}
			_ = from.Close()
		}()
		got, err := io.ReadAll(to)
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: %d bytes came, %v", name, len(got), err)
		}
	}
}

func TestAWriteStaysInOnePiece(t *testing.T) {
	here, there := pair(t)
	const size = 1 << 20
	var writers sync.WaitGroup
	for _, c := range []byte("abcd") {
		writers.Go(func() { _, _ = here.Write(bytes.Repeat([]byte{c}, size)) })
	}
	block := make([]byte, size)
	for range 4 {
		if _, err := io.ReadFull(there, block); err != nil || !bytes.Equal(block, bytes.Repeat(block[:1], size)) {
			t.Errorf("mixed with another, %v", err)
		}
	}
	writers.Wait()
}

func TestNothingIsNotTheEnd(t *testing.T) {
	here, _ := pair(t)
	if n, err := here.Read(nil); n != 0 || err != nil {
		t.Errorf("reading into nothing: %d, %v", n, err)
	}
	if n, err := here.Write(nil); n != 0 || err != nil {
		t.Errorf("writing nothing: %d, %v", n, err)
	}
}

func TestADeadlineEndsAWait(t *testing.T) {
	here, there := pair(t)
	for name, wait := range map[string]func() error{
		"read":  func() error { _, err := here.Read(make([]byte, 1)); return err },
		"write": func() error { _, err := here.Write(make([]byte, 64<<20)); return err },
	} {
		_ = here.SetDeadline(time.Now().Add(20 * time.Millisecond))
		err := wait()
		var op *net.OpError
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &op) || !op.Timeout() || op.Op != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	_ = here.SetDeadline(time.Time{})
	_, _ = there.Write([]byte("x"))
	if n, err := here.Read(make([]byte, 9)); n != 1 || err != nil {
		t.Errorf("afterwards: %d, %v", n, err)
	}
}

func TestCloseEndsAWait(t *testing.T) {
	here, _ := pair(t)
	ended := make(chan error)
	begun := make(chan struct{})
	go func() {
		close(begun)
		_, err := here.Read(make([]byte, 1))
		ended <- err
	}()
	<-begun
	_ = here.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("read: %v", err)
	}
	if _, err := here.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write: %v", err)
	}
}

func TestAResetIsAnError(t *testing.T) {
	here, there := pair(t)
	_ = there.SetLinger(0)
	_ = there.Close()
	_, err := here.Read(make([]byte, 1))
	var op *net.OpError
	if !errors.Is(err, syscall.ECONNRESET) || !errors.As(err, &op) || op.Op != "read" || op.Addr == nil {
		t.Errorf("read: %v", err)
	}
	if _, err := here.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write: %v", err)
	}
}

func TestReadAndWriteDoNotAllocate(t *testing.T) {
	here, there := pair(t)
	block := make([]byte, 1<<10)
	if n := testing.AllocsPerRun(100, func() {
		_, _ = here.Write(block)
		_, _ = io.ReadFull(there, block)
		_, _ = there.Write(block)
		_, _ = here.Read(block)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
