package front

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"testing"
)

// counted counts the writes to a connection.
type counted struct {
	net.Conn
	writes atomic.Int32
}

func (c *counted) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

func TestRecordsOfOneWriteLeaveTogether(t *testing.T) {
	here, there := net.Pipe()
	counter := &counted{Conn: here}
	below := &writeCoalescer{Conn: counter}
	server := &coalescingConn{tls.Server(below, &tls.Config{Certificates: []tls.Certificate{newPair(t)}, DynamicRecordSizingDisabled: true}), below}
	client := tls.Client(there, &tls.Config{InsecureSkipVerify: true})
	content := make([]byte, 200_000)
	_, _ = rand.Read(content)
	got := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(client)
		got <- all
	}()
	if err := server.Handshake(); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 16 << 10, 64 << 10, 80_000} {
		before := counter.writes.Load()
		if n, err := server.Write(content[:size]); n != size || err != nil {
			t.Fatalf("%d bytes: wrote %d, %v", size, n, err)
		}
		if writes := counter.writes.Load() - before; writes != 1 {
			t.Errorf("%d bytes left in %d writes", size, writes)
		}
	}
	_ = server.Close()
	want := bytes.Join([][]byte{content[:1], content[:16<<10], content[:64<<10], content[:80_000]}, nil)
	if all := <-got; !bytes.Equal(all, want) {
		t.Errorf("%d bytes came, want %d, in order", len(all), len(want))
	}
}

func TestACorkedWriteTellsThatTheConnectionIsGone(t *testing.T) {
	here, there := net.Pipe()
	below := &writeCoalescer{Conn: here}
	server := &coalescingConn{tls.Server(below, &tls.Config{Certificates: []tls.Certificate{newPair(t)}}), below}
	go func() {
		_ = tls.Client(there, &tls.Config{InsecureSkipVerify: true}).Handshake()
		_ = there.Close()
	}()
	if err := server.Handshake(); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Write(make([]byte, 64<<10)); err == nil {
		t.Error("it was taken for written")
	}
}
