// Package front stands between the sockets and the servers. It opens ports and
// unix sockets, bounds the connections, hears from balancers who their clients
// are, terminates TLS and tells HTTP/1 from HTTP/2. It never reads a request.
package front

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"osp/go/peers"
)

const (
	handshakeTimeout = 10 * time.Second
	headerTimeout    = 5 * time.Second // of the PROXY protocol
	fullEvery        = time.Minute     // between two lines about the limit
)

// Options of a Listener.
type Options struct {
	Limit int         // connections that are open at a time
	TLS   *tls.Config // nil: plain HTTP
	// Balancers begin each of their connections with a header of the PROXY
	// protocol, which says who their client is. Those of anybody else are taken
	// for what they are.
	Balancers peers.Trusted
	Log       *slog.Logger // of what goes wrong before a request; nil where neither of these is given
}

// Listener accepts the connections that speak HTTP/1; HTTP2 has the others.
type Listener struct {
	from   net.Listener
	with   Options
	slots  chan struct{}
	full   time.Time // when the log said last that all slots were taken
	open   atomic.Int64
	http1  accepting
	http2  accepting
	closed context.Context
	close  context.CancelFunc
}

// Listen wraps a listener of TCP or of a unix socket. Connections beyond the
// limit wait in the system's backlog, and the log says so. With a TLS configuration it shakes hands,
// several at once.
func Listen(l net.Listener, with Options) *Listener {
	f := &Listener{from: l, with: with, slots: make(chan struct{}, with.Limit)}
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
// Of the two servers that stop, the second finds it closed: that is no error.
func (f *Listener) Close() error {
	f.close()
	if socket, ok := f.from.(syscall.Conn); ok {
		shut(socket)
	}
	if err := f.from.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// accept hands connections on until the listener is closed. Errors of the
// system go to the server, which knows which of them pass.
func (f *Listener) accept() {
	for {
		if !f.reserve() {
			return
		}
		conn, err := f.from.Accept()
		if err != nil {
			<-f.slots
			if f.closed.Err() != nil { // which the error may say in another way
				return
			}
			if !f.http1.deliver(accepted{err: err}) || errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		held := f.hold(conn)
		if f.with.TLS == nil && !f.ofBalancer(held) {
			f.http1.offer(held)
			continue
		}
		go f.welcome(held)
	}
}

// reserve takes a slot, waiting for one if it must, and reports whether it has one.
func (f *Listener) reserve() bool {
	select {
	case f.slots <- struct{}{}:
		return true
	default:
	}
	if now := time.Now(); f.with.Log != nil && now.Sub(f.full) >= fullEvery {
		f.full = now
		f.with.Log.Warn("as many connections are open as may be; further ones wait", "connections", f.with.Limit)
	}
	select {
	case f.slots <- struct{}{}:
		return true
	case <-f.closed.Done():
		return false
	}
}

func (f *Listener) ofBalancer(conn net.Conn) bool {
	peer := conn.RemoteAddr() // nil on some systems, when it has gone already
	return peer != nil && !f.with.Balancers.None() && f.with.Balancers.Trust(peer.String())
}

// welcome does what has to be done before HTTP is spoken, and ends with a
// connection for a server, or with none. A panic ends the connection: in a
// goroutine of its own it would end the process.
func (f *Listener) welcome(conn slotted) {
	defer func() {
		if v := recover(); v != nil {
			_ = conn.Close()
			f.with.Log.Error("panic before a request", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
	}()
	if f.ofBalancer(conn) && !f.introduce(conn) {
		_ = conn.Close()
		return
	}
	if f.with.TLS == nil {
		f.http1.offer(conn)
		return
	}
	f.shakeHands(conn)
}

// introduce has a balancer say who its client is.
func (f *Listener) introduce(conn slotted) bool {
	_ = conn.SetReadDeadline(time.Now().Add(headerTimeout)) // fails on a closed connection, as what follows does
	stop := context.AfterFunc(f.closed, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	client, err := readHeader(conn)
	stop()
	switch {
	case err == io.EOF || f.closed.Err() != nil: // a look whether the port is open; the end
		return false
	case err != nil:
		f.with.Log.Warn("a connection of a trusted proxy was refused", "peer", conn.RemoteAddr().String(), "error", err)
		return false
	}
	conn.place().client = client
	return conn.SetReadDeadline(time.Time{}) == nil
}

// hold gives a connection its slot, which is taken already.
func (f *Listener) hold(conn net.Conn) slotted {
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
	secure := tls.Server(below, f.with.TLS)
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

// slotted is a connection that has a slot.
type slotted interface {
	net.Conn
	place() *slot
}

// slot is the place of a connection, which it gives back when it is closed.
type slot struct {
	from   *Listener
	once   sync.Once
	client net.Addr // for whom a balancer speaks; nil: the peer speaks for itself
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

func (c *tcpConn) place() *slot { return &c.slot }

// RemoteAddr implements net.Conn with the client's address.
func (c *tcpConn) RemoteAddr() net.Addr {
	if c.slot.client != nil {
		return c.slot.client
	}
	return c.TCPConn.RemoteAddr()
}

// Close implements net.Conn.
func (c *tcpConn) Close() error {
	c.slot.giveBack()
	shut(c.TCPConn)
	return c.TCPConn.Close()
}

type unixConn struct {
	*net.UnixConn
	slot slot
}

func (c *unixConn) place() *slot { return &c.slot }

// Close implements net.Conn.
func (c *unixConn) Close() error {
	c.slot.giveBack()
	shut(c.UnixConn)
	return c.UnixConn.Close()
}

// RemoteAddr implements net.Conn with the client's address. Who connects to a
// unix socket has none.
func (c *unixConn) RemoteAddr() net.Addr {
	if c.slot.client != nil {
		return c.slot.client
	}
	return named(peers.Unix)
}

// named is the address of a peer that has none.
type named string

// Network implements net.Addr.
func (named) Network() string { return "unix" }

// String implements net.Addr.
func (n named) String() string { return string(n) }
