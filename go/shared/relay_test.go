package shared

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// relay is a replica's way to the server, which can be cut, lead elsewhere, and be
// slow.
type relay struct {
	path     string
	listener net.Listener

	mu    sync.Mutex
	to    string
	slow  time.Duration // before each reply
	cut   bool
	conns map[net.Conn]bool
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	folder, err := os.MkdirTemp("", "relay")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{path: filepath.Join(folder, "s"), to: to, conns: map[net.Conn]bool{}}
	if r.listener, err = net.Listen("unix", r.path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.listener.Close()
		r.setCut(true)
		_ = os.RemoveAll(folder)
	})
	go r.accept()
	return r
}

func (r *relay) accept() {
	for {
		in, err := r.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("unix", r.end())
		if err != nil || !r.add(in, out) {
			_ = in.Close()
			continue
		}
		go r.copy(in, late{out, r})
		go r.copy(out, in)
	}
}

// late is a connection to the server whose replies wait.
type late struct {
	net.Conn
	relay *relay
}

func (l late) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	l.relay.mu.Lock()
	slow := l.relay.slow
	l.relay.mu.Unlock()
	time.Sleep(slow)
	return n, err
}

// setSlow makes each reply wait.
func (r *relay) setSlow(slow time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slow = slow
}

func (r *relay) end() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.to
}

// lead makes it the way to another server.
func (r *relay) lead(to string) {
	r.setCut(true)
	r.mu.Lock()
	r.to = to
	r.mu.Unlock()
	r.setCut(false)
}

func (r *relay) add(in, out net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cut {
		_ = out.Close()
		return false
	}
	r.conns[in], r.conns[out] = true, true
	return true
}

func (r *relay) copy(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_, _ = to.Close(), from.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range []net.Conn{to, from} {
		if l, ok := c.(late); ok {
			c = l.Conn
		}
		delete(r.conns, c)
	}
}

// setCut closes all connections and lets no new ones in, or ends that.
func (r *relay) setCut(cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = cut
	if cut {
		for c := range r.conns {
			_ = c.Close()
		}
	}
}
