// Package front stands between the sockets and the servers. It bounds the
// connections, terminates TLS and tells HTTP/1 from HTTP/2; of the latter it
// refuses what net/http lets pass although it is malformed. It never looks at
// what a request asks for.
package front

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"osp/go/config"
)

const handshakeTimeout = 10 * time.Second

// Listener accepts the connections that speak HTTP/1; HTTP2 has the others.
type Listener struct {
	from   net.Listener
	tls    *tls.Config // nil: plain HTTP
	slots  chan struct{}
	open   atomic.Int64
	http1  accepting
	http2  accepting
	closed context.Context
	close  context.CancelFunc
}

// Listen wraps a listener of TCP or of a unix socket: at most limit connections are open at a time,
// further ones wait in the system's backlog. With a TLS configuration it
// shakes hands, several at once.
func Listen(l net.Listener, limit int, config *tls.Config) *Listener {
	f := &Listener{from: l, tls: config, slots: make(chan struct{}, limit)}
	f.closed, f.close = context.WithCancel(context.Background())
	f.http1 = accepting{f, make(chan accepted)}
	f.http2 = accepting{f, make(chan accepted)}
	go f.accept()
	return f
}

// HTTP2 returns the listener for connections that agreed on h2, which are
// *tls.Conn. Without TLS there are none.
func (f *Listener) HTTP2() net.Listener { return f.http2 }

// Accept implements net.Listener. A connection does all that a *tls.Conn
// does or, without TLS, a *net.TCPConn or *net.UnixConn.
func (f *Listener) Accept() (net.Conn, error) { return f.http1.Accept() }

// Open returns how many connections are open, those included that have not
// yet shaken hands.
func (f *Listener) Open() int64 { return f.open.Load() }

// Addr implements net.Listener.
func (f *Listener) Addr() net.Addr { return f.from.Addr() }

// Close implements net.Listener. Handshakes under way end without a connection.
func (f *Listener) Close() error {
	f.close()
	return f.from.Close()
}

// accept hands connections on until the listener is closed. Errors of the
// system go to the server, which knows which of them pass.
func (f *Listener) accept() {
	for {
		select {
		case f.slots <- struct{}{}:
		case <-f.closed.Done():
			return
		}
		conn, err := f.from.Accept()
		if err != nil {
			<-f.slots
			if !f.http1.deliver(accepted{err: err}) || errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		held := f.hold(conn)
		if f.tls == nil {
			f.http1.offer(held)
			continue
		}
		go f.shakeHands(held)
	}
}

// hold gives a connection its slot, which is taken already.
func (f *Listener) hold(conn net.Conn) net.Conn {
	f.open.Add(1)
	if local, ok := conn.(*net.UnixConn); ok {
		return &unixConn{UnixConn: local, slot: slot{from: f}}
	}
	return &tcpConn{TCPConn: conn.(*net.TCPConn), slot: slot{from: f}} // what "tcp" gives
}

func (f *Listener) shakeHands(conn net.Conn) {
	ctx, cancel := context.WithTimeout(f.closed, handshakeTimeout)
	defer cancel()
	below := &cork{Conn: conn}
	secure := tls.Server(below, f.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // a client that can't speak TLS is no news
		return
	}
	if secure.ConnectionState().NegotiatedProtocol == "h2" {
		f.http2.offer(secure)
		return
	}
	f.http1.offer(&corked{secure, below})
}

// accepting is the connections of one protocol.
type accepting struct {
	*Listener
	ready chan accepted
}

type accepted struct {
	conn net.Conn
	err  error
}

func (a accepting) offer(conn net.Conn) {
	if !a.deliver(accepted{conn: conn}) {
		_ = conn.Close() // the server is gone
	}
}

func (a accepting) deliver(one accepted) bool {
	select {
	case a.ready <- one:
		return true
	case <-a.closed.Done():
		return false
	}
}

// Accept implements net.Listener.
func (a accepting) Accept() (net.Conn, error) {
	select {
	case one := <-a.ready:
		return one.conn, one.err
	case <-a.closed.Done():
		return nil, net.ErrClosed
	}
}

// slot is the place of a connection, which it gives back when it is closed.
type slot struct {
	from *Listener
	once sync.Once
}

func (s *slot) giveBack() {
	s.once.Do(func() {
		<-s.from.slots
		s.from.open.Add(-1)
	})
}

type tcpConn struct {
	*net.TCPConn
	slot slot
}

// Close implements net.Conn.
func (c *tcpConn) Close() error {
	c.slot.giveBack()
	return c.TCPConn.Close()
}

type unixConn struct {
	*net.UnixConn
	slot slot
}

// Close implements net.Conn.
func (c *unixConn) Close() error {
	c.slot.giveBack()
	return c.UnixConn.Close()
}

// RemoteAddr implements net.Conn. Who connects to a unix socket has no address.
func (c *unixConn) RemoteAddr() net.Addr { return named(config.UnixPeer) }

// named is the address of a peer that has none.
type named string

// Network implements net.Addr.
func (named) Network() string { return "unix" }

// String implements net.Addr.
func (n named) String() string { return string(n) }
