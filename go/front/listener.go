// Package front stands between the sockets and the servers. It opens ports and
// unix sockets, limits the number of connections, reads from balancers who their
// clients are, terminates TLS and distinguishes HTTP/1 from HTTP/2. It never reads a request.
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
	"osp/go/tcp"
)

const (
	handshakeTimeout = 10 * time.Second
	headerTimeout    = 5 * time.Second // of the PROXY protocol
	warnEvery        = time.Minute     // the least time between two warnings about the limit
)

// Options of a Listener.
type Options struct {
	Limit int         // of connections open at a time
	TLS   *tls.Config // nil: plain HTTP
	// Balancers begin each of their connections with a header of the PROXY
	// protocol, which says who their client is. Nobody else's connections are
	// expected to have one.
	Balancers peers.Trusted
	Log       *slog.Logger // of what goes wrong before a request; may be nil without TLS and Balancers
}

// Listener accepts the connections that use HTTP/1; HTTP2 has the others.
type Listener struct {
	from   net.Listener
	with   Options
	slots  chan struct{}
	warned time.Time // when the log last said that all slots are taken
	open   atomic.Int64
	http1  protocolListener
	http2  protocolListener
	closed context.Context
	close  context.CancelFunc
}

// Listen wraps a listener for TCP or a unix socket. Connections beyond the limit wait
// in the system's backlog, and the log says so. With a TLS configuration it performs
// the handshakes, many at a time.
func Listen(l net.Listener, with Options) *Listener {
	f := &Listener{from: l, with: with, slots: make(chan struct{}, with.Limit)}
	f.closed, f.close = context.WithCancel(context.Background())
	f.http1 = protocolListener{f, make(chan accepted)}
	f.http2 = protocolListener{f, make(chan accepted)}
	go f.accept()
	return f
}

// HTTP2 returns the listener for connections that agreed on h2. Without TLS there are
// none.
func (f *Listener) HTTP2() net.Listener { return f.http2 }

// Accept implements net.Listener. A connection has the methods of a *tls.Conn or,
// without TLS, of a *net.TCPConn or *net.UnixConn.
func (f *Listener) Accept() (net.Conn, error) { return f.http1.Accept() }

// Open returns how many connections are open, including those that have not
// completed their handshake.
func (f *Listener) Open() int64 { return f.open.Load() }

// Addr implements net.Listener.
func (f *Listener) Addr() net.Addr { return f.from.Addr() }

// Close implements net.Listener. Handshakes in progress end without a connection.
// Both servers close it when they stop: that it is closed already is not an error.
func (f *Listener) Close() error {
	f.close()
	if socket, ok := f.from.(syscall.Conn); ok {
		shutdown(socket)
	}
	if err := f.from.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// accept hands connections on until the listener is closed. The system's errors go
// to the server, which knows which of them are temporary.
func (f *Listener) accept() {
	for {
		if !f.acquireSlot() {
			return
		}
		conn, err := f.from.Accept()
		if err != nil {
			<-f.slots
			if f.closed.Err() != nil { // whatever the error is
				return
			}
			if !f.http1.deliver(accepted{err: err}) || errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		held := f.occupySlot(conn)
		if f.with.TLS == nil && !f.isFromBalancer(held) {
			f.http1.offer(held)
			continue
		}
		go f.setUp(held)
	}
}

// acquireSlot takes a slot, waiting for one if it must, and reports whether it has one.
func (f *Listener) acquireSlot() bool {
	select {
	case f.slots <- struct{}{}:
		return true
	default:
	}
	if now := time.Now(); f.with.Log != nil && now.Sub(f.warned) >= warnEvery {
		f.warned = now
		f.with.Log.Warn("as many connections are open as max_connections allows; further ones wait", "connections", f.with.Limit)
	}
	select {
	case f.slots <- struct{}{}:
		return true
	case <-f.closed.Done():
		return false
	}
}

func (f *Listener) isFromBalancer(conn net.Conn) bool {
	peer := conn.RemoteAddr() // nil on some systems if the peer has disconnected
	return peer != nil && !f.with.Balancers.None() && f.with.Balancers.Trust(peer.String())
}

// setUp does what has to be done before a server gets the connection, or closes it.
// A panic ends the connection: in a goroutine of its own it would end the process.
func (f *Listener) setUp(conn limitedConn) {
	defer func() {
		if v := recover(); v != nil {
			_ = conn.Close()
			f.with.Log.Error("panic before a request", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
	}()
	if f.isFromBalancer(conn) && !f.readProxyHeader(conn) {
		_ = conn.Close()
		return
	}
	if f.with.TLS == nil {
		f.http1.offer(conn)
		return
	}
	f.handshake(conn)
}

// readProxyHeader reads from a balancer who its client is, and reports whether the
// connection can be served.
func (f *Listener) readProxyHeader(conn limitedConn) bool {
	_ = conn.SetReadDeadline(time.Now().Add(headerTimeout)) // fails on a closed connection, as the read does
	stop := context.AfterFunc(f.closed, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	client, err := readHeader(conn)
	stop()
	switch {
	case err == io.EOF || f.closed.Err() != nil: // a check that the port is open; the end
		return false
	case err != nil:
		f.with.Log.Warn("a connection of a trusted proxy was refused", "peer", conn.RemoteAddr().String(), "error", err)
		return false
	}
	if address, known := client.(*net.TCPAddr); known {
		client = peers.Announced{Addr: address}
	}
	conn.connSlot().client = client
	return conn.SetReadDeadline(time.Time{}) == nil
}

// occupySlot gives a connection the slot that acquireSlot took.
func (f *Listener) occupySlot(conn net.Conn) limitedConn {
	f.open.Add(1)
	if local, ok := conn.(*net.UnixConn); ok {
		return &unixConn{UnixConn: local, slot: slot{from: f}}
	}
	return &tcpConn{Conn: tcp.New(conn.(*net.TCPConn)), slot: slot{from: f}} // what "tcp" gives
}

func (f *Listener) handshake(conn net.Conn) {
	ctx, cancel := context.WithTimeout(f.closed, handshakeTimeout)
	defer cancel()
	below := &writeCoalescer{Conn: conn}
	secure := tls.Server(below, f.with.TLS)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // a client that can't do TLS is not worth a line in the log
		return
	}
	conn = &coalescingConn{secure, below}
	if secure.ConnectionState().NegotiatedProtocol == "h2" {
		f.http2.offer(conn)
		return
	}
	f.http1.offer(conn)
}

// protocolListener accepts the connections of one protocol.
type protocolListener struct {
	*Listener
	ready chan accepted
}

type accepted struct {
	conn net.Conn
	err  error
}

func (a protocolListener) offer(conn net.Conn) {
	if !a.deliver(accepted{conn: conn}) {
		_ = conn.Close() // the server is gone
	}
}

func (a protocolListener) deliver(one accepted) bool {
	select {
	case a.ready <- one:
		return true
	case <-a.closed.Done():
		return false
	}
}

// Accept implements net.Listener.
func (a protocolListener) Accept() (net.Conn, error) {
	select {
	case one := <-a.ready:
		return one.conn, one.err
	case <-a.closed.Done():
		return nil, net.ErrClosed
	}
}

// limitedConn is a connection that has a slot.
type limitedConn interface {
	net.Conn
	connSlot() *slot
}

// slot is a connection's share of the limit, released when the connection is closed.
type slot struct {
	from   *Listener
	once   sync.Once
	client net.Addr // as a balancer said; nil: the peer is the client
}

func (s *slot) release() {
	s.once.Do(func() {
		<-s.from.slots
		s.from.open.Add(-1)
	})
}

type tcpConn struct {
	*tcp.Conn
	slot slot
}

func (c *tcpConn) connSlot() *slot { return &c.slot }

// RemoteAddr implements net.Conn with the client's address.
func (c *tcpConn) RemoteAddr() net.Addr {
	if c.slot.client != nil {
		return c.slot.client
	}
	return c.TCPConn.RemoteAddr()
}

// Close implements net.Conn.
func (c *tcpConn) Close() error {
	c.slot.release()
	shutdown(c.TCPConn)
	return c.TCPConn.Close()
}

type unixConn struct {
	*net.UnixConn
	slot slot
}

func (c *unixConn) connSlot() *slot { return &c.slot }

// Close implements net.Conn.
func (c *unixConn) Close() error {
	c.slot.release()
	shutdown(c.UnixConn)
	return c.UnixConn.Close()
}

// RemoteAddr implements net.Conn with the client's address. Clients of a unix socket
// have none.
func (c *unixConn) RemoteAddr() net.Addr {
	if c.slot.client != nil {
		return c.slot.client
	}
	return namedAddr(peers.Unix)
}

// namedAddr stands for the address of a peer that has none.
type namedAddr string

// Network implements net.Addr.
func (namedAddr) Network() string { return "unix" }

// String implements net.Addr.
func (n namedAddr) String() string { return string(n) }
