// Package front stands between the sockets and net/http's server. It bounds
// the connections, terminates TLS and refuses HTTP/1 framing that is ambiguous;
// net/http accepts some of it (RFC 9112 allows both), but a load balancer in
// front may read it in another way. It never looks at what a request asks for.
package front

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const handshakeTimeout = 10 * time.Second

// Listen wraps a TCP listener: at most limit connections are open at a time,
// further ones wait in the system's backlog. With a TLS configuration it
// shakes hands, several at once; connections that agreed on h2 stay *tls.Conn,
// by which net/http knows them.
func Listen(l net.Listener, limit int, config *tls.Config) *Listener {
	f := &Listener{Listener: l, tls: config, slots: make(chan struct{}, limit), ready: make(chan accepted), closed: make(chan struct{})}
	go f.accept()
	return f
}

// Listener is what Listen returns.
type Listener struct {
	net.Listener
	open   atomic.Int64
	tls    *tls.Config // nil: plain HTTP
	slots  chan struct{}
	ready  chan accepted
	closed chan struct{}
	once   sync.Once
}

type accepted struct {
	conn net.Conn
	err  error
}

// accept hands connections on until the listener is closed. Errors of the
// system go to the server, which knows which of them pass.
func (f *Listener) accept() {
	for {
		select {
		case f.slots <- struct{}{}:
		case <-f.closed:
			return
		}
		conn, err := f.Listener.Accept()
		if err != nil {
			<-f.slots
			if !f.deliver(accepted{err: err}) || errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		f.open.Add(1)
		held := &slotConn{Conn: conn, from: f}
		if f.tls == nil {
			f.offer(&plain{guard{Conn: held}})
			continue
		}
		go f.shakeHands(held)
	}
}

func (f *Listener) shakeHands(conn net.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	below := &cork{Conn: conn}
	secure := tls.Server(below, f.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // a client that can't speak TLS is no news
		return
	}
	if secure.ConnectionState().NegotiatedProtocol == "h2" {
		f.offer(secure)
		return
	}
	f.offer(&guard{Conn: &corked{secure, below}})
}

func (f *Listener) offer(conn net.Conn) {
	if !f.deliver(accepted{conn: conn}) {
		_ = conn.Close() // the server is gone
	}
}

func (f *Listener) deliver(a accepted) bool {
	select {
	case f.ready <- a:
		return true
	case <-f.closed:
		return false
	}
}

// Open returns how many connections are open, those included that have not
// shaken hands yet.
func (f *Listener) Open() int64 { return f.open.Load() }

// Accept implements net.Listener.
func (f *Listener) Accept() (net.Conn, error) {
	select {
	case a := <-f.ready:
		return a.conn, a.err
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Handshakes under way end without a connection.
func (f *Listener) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.Listener.Close()
}

// slotConn gives its slot back when it is closed.
type slotConn struct {
	net.Conn
	from *Listener
	once sync.Once
}

// Close implements net.Conn.
func (c *slotConn) Close() error {
	c.once.Do(func() {
		<-c.from.slots
		c.from.open.Add(-1)
	})
	return c.Conn.Close()
}

// ReadFrom implements io.ReaderFrom: out of another connection the kernel moves
// the bytes itself.
func (c *slotConn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// plain is a guard without TLS: what is written to it may come out of another
// connection.
type plain struct{ guard }

// ReadFrom implements io.ReaderFrom.
func (p *plain) ReadFrom(r io.Reader) (int64, error) { return io.Copy(p.Conn, r) }

// guard is an HTTP/1 connection whose framing is watched as it is read.
type guard struct {
	net.Conn
	framing framing
	err     error
}

// Read implements io.Reader. What precedes ambiguous framing is still
// delivered, so that requests before it are answered.
func (g *guard) Read(p []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	n, err := g.Conn.Read(p)
	sound, bad := g.framing.feed(p[:n])
	if bad != nil {
		g.err = bad
		if sound == 0 {
			return 0, bad
		}
		return sound, nil
	}
	return n, err
}
