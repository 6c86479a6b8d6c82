package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	maxIdle     = 1024 // connections of one pool that wait
	idleTimeout = 60 * time.Second
	// sweepEvery is how often connections that wait are looked through.
	sweepEvery = 15 * time.Second
	// trusted is how long a connection may have waited to be used without a
	// look at it, if the request can be sent again and nothing can have followed
	// the last answer unseen.
	trusted = time.Second
)

// authority is where a connection leads.
type authority struct {
	host   string // as in Host: without the scheme's default port
	secure bool
}

// pool is the connections to the stores that are reached alike. It implements
// http.RoundTripper.
type pool struct {
	dialer dialer
	tls    *tls.Config
	answer time.Duration // from the end of a request to the first byte of its answer

	mu      sync.Mutex
	idle    map[authority][]*conn // the newest last
	waiting int                   // of all authorities
	sweeper *time.Timer           // nil while nothing waits
	closed  bool
}

// RoundTrip implements http.RoundTripper. A request goes out a second time only
// if it has no body, only reads, and its first connection, which had served
// before, ended without a byte of an answer (RFC 9110 section 9.2.2).
func (p *pool) RoundTrip(req *http.Request) (*http.Response, error) {
	m, err := pack(req)
	if err != nil {
		return nil, err
	}
	defer m.release()
	repeatable := req.Body == nil && (req.Method == http.MethodGet || req.Method == http.MethodHead)
	to := authority{req.URL.Host, req.URL.Scheme == "https"}
	c := p.take(to, repeatable)
	if c == nil {
		return p.first(m, to)
	}
	resp, err := c.exchange(m, p.answer)
	var stale *staleError
	if repeatable && errors.As(err, &stale) {
		return p.first(m, to)
	}
	return resp, err
}

// first sends a request on a new connection.
func (p *pool) first(m *parcel, to authority) (*http.Response, error) {
	c, err := p.connect(m.req.Context(), to)
	if err != nil {
		return nil, err
	}
	return c.exchange(m, p.answer)
}

// take returns the connection that served last, or nil. Those that the store
// has closed are dropped on the way.
func (p *pool) take(to authority, repeatable bool) *conn {
	for {
		c := p.pop(to)
		if c == nil || repeatable && c.sure && time.Since(c.idle) < trusted || c.alive() {
			return c
		}
		c.abort()
	}
}

func (p *pool) pop(to authority) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	waiting := p.idle[to]
	if len(waiting) == 0 {
		return nil
	}
	c := waiting[len(waiting)-1]
	waiting[len(waiting)-1] = nil
	p.idle[to] = waiting[:len(waiting)-1]
	p.waiting--
	return c
}

// put takes a connection back.
func (p *pool) put(c *conn) {
	c.used, c.idle, c.leave = true, time.Now(), nil
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.waiting >= maxIdle {
		go c.end()
		return
	}
	if p.idle == nil {
		p.idle = make(map[authority][]*conn)
	}
	p.idle[c.to] = append(p.idle[c.to], c)
	p.waiting++
	if p.sweeper == nil {
		p.sweeper = time.AfterFunc(sweepEvery, p.sweep)
	}
}

// sweep drops the connections that waited too long or that the store has closed.
func (p *pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for to, waiting := range p.idle {
		kept := waiting[:0]
		for _, c := range waiting {
			if time.Since(c.idle) < idleTimeout && c.alive() {
				kept = append(kept, c)
				continue
			}
			p.waiting--
			go c.end()
		}
		clear(waiting[len(kept):])
		if p.idle[to] = kept; len(kept) == 0 {
			delete(p.idle, to)
		}
	}
	p.sweeper = nil
	if p.waiting > 0 {
		p.sweeper = time.AfterFunc(sweepEvery, p.sweep)
	}
}

// close ends the connections that wait; those in use end when they are done.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.sweeper != nil {
		p.sweeper.Stop()
	}
	for _, waiting := range p.idle {
		for _, c := range waiting {
			c.abort()
		}
	}
	p.idle, p.waiting = nil, 0
}

// alive looks whether the store has closed a connection that waits, or has sent
// what nobody asked for, without reading from it.
func (c *conn) alive() bool {
	c.readUntil(time.Time{}) // that of its last answer may have passed, and would be an error
	raw, err := c.raw.SyscallConn()
	if err != nil {
		return false
	}
	alive := false
	err = raw.Read(func(fd uintptr) bool {
		var one [1]byte
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		alive = err == syscall.EAGAIN
		return true
	})
	return err == nil && alive
}

// end closes a connection that waited, with TLS's goodbye.
func (c *conn) end() {
	_ = c.SetDeadline(time.Now().Add(time.Second))
	_ = c.Close()
}

// connect makes a connection.
func (p *pool) connect(ctx context.Context, to authority) (*conn, error) {
	host, port := to.host, "80"
	if to.secure {
		port = "443"
	}
	if h, given, err := net.SplitHostPort(to.host); err == nil {
		host, port = h, given
	}
	host = strings.Trim(host, "[]")
	dialed, err := p.dialer.dial(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	raw := dialed.(*net.TCPConn) // what "tcp" gives
	if !to.secure {
		return newConn(p, to, raw, raw), nil
	}
	config := p.tls.Clone()
	config.ServerName = host
	secure := tls.Client(raw, config)
	ctx, cancel := context.WithTimeout(ctx, p.dialer.Timeout)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return newConn(p, to, secure, raw), nil
}
