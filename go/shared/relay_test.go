package shared

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// relay is a replica's way to the server, which can be cut, and lead elsewhere.
type relay struct {
	path     string
	listener net.Listener

	mu    sync.Mutex
	to    string
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
		go r.copy(in, out)
		go r.copy(out, in)
	}
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
	delete(r.conns, to)
	delete(r.conns, from)
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
