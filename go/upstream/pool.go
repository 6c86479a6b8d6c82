package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"hash/maphash"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/cpu"

	"osp/go/lru"
	"osp/go/tcp"
)

const (
	maxIdle        = 1024 // idle connections of one pool
	maxAuthorities = 1024 // to which they lead
	idleTimeout    = 60 * time.Second
	sweepEvery     = 15 * time.Second // the time between two sweeps
)

// authority is where a connection leads.
type authority struct {
	host   string // as in Host: without the scheme's default port
	secure bool
}

// pool holds the connections to stores that have the same settings for transport.
// It implements http.RoundTripper. Requests take connections and put them back
// without a lock, which would be one for all clients.
type pool struct {
	dialer          dialer
	tls             *tls.Config
	responseTimeout time.Duration // from the end of a request to the first byte of its response

	idle     *lru.Map[authority, *stack]
	closed   atomic.Bool
	sweeping atomic.Bool // there will be a sweep

	_       cpu.CacheLinePad
	waiting atomic.Int64 // idle connections of all authorities
	_       cpu.CacheLinePad
}

func newPool(dialer dialer, secure *tls.Config, responseTimeout time.Duration) *pool {
	p := &pool{dialer: dialer, tls: secure, responseTimeout: responseTimeout}
	p.idle = lru.New(maxAuthorities, maphash.Comparable[authority], func(s *stack) {
		s.left.Store(true)
		p.empty(s)
	})
	return p
}

// RoundTrip implements http.RoundTripper. A request is sent a second time only if
// it has no body, only reads, and its first connection, which had served before,
// ended without a byte of a response (RFC 9110 section 9.2.2).
func (p *pool) RoundTrip(req *http.Request) (*http.Response, error) {
	repeatable := req.Body == nil && (req.Method == http.MethodGet || req.Method == http.MethodHead)
	to := authority{req.URL.Host, req.URL.Scheme == "https"}
	resp, err := p.send(req, to, p.take)
	var stale *staleError
	if repeatable && errors.As(err, &stale) {
		return p.send(req, to, func(authority) *conn { return nil })
	}
	return resp, err
}

// send sends a request on the connection that take gives, or else on a new one.
func (p *pool) send(req *http.Request, to authority, take func(authority) *conn) (*http.Response, error) {
	w, err := newWireRequest(req)
	if err != nil {
		return nil, err
	}
	defer w.release()
	c := take(to)
	if c == nil {
		if c, err = p.connect(req.Context(), to); err != nil {
			return nil, err
		}
	}
	return c.roundTrip(w, p.responseTimeout)
}

// take returns the idle connection that was used last, or nil. It drops those that
// the store has closed, and those on which it has sent something unsolicited: the
// next request would get that for its response.
func (p *pool) take(to authority) *conn {
	for {
		c := p.pop(to)
		if c == nil || c.raw.Quiet() {
			return c
		}
		c.abort()
	}
}

func (p *pool) pop(to authority) *conn {
	s, ok := p.idle.Get(to)
	if !ok {
		return nil
	}
	c := s.pop()
	if c != nil {
		p.waiting.Add(-1)
	}
	return c
}

// put takes a connection back.
func (p *pool) put(c *conn) {
	c.used, c.idleSince, c.stopAbort = true, time.Now(), nil
	if p.waiting.Add(1) > maxIdle {
		p.waiting.Add(-1)
		go c.end()
		return
	}
	s, ok := p.idle.Get(c.to)
	if !ok {
		s = new(stack)
		p.idle.Add(c.to, s)
	}
	s.push(c)
	if s.left.Load() || p.closed.Load() { // which emptied it, perhaps before the push
		p.empty(s)
		return
	}
	p.planSweep()
}

// planSweep has the idle connections swept, if there are some and it is not planned yet.
func (p *pool) planSweep() {
	if p.waiting.Load() > 0 && !p.closed.Load() && p.sweeping.CompareAndSwap(false, true) {
		time.AfterFunc(sweepEvery, p.sweep)
	}
}

// sweep drops the connections that have been idle too long or that the store has
// closed.
func (p *pool) sweep() {
	for _, s := range p.idle.Values() {
		all := s.popAll()
		for i := len(all) - 1; i >= 0; i-- { // the latest to be used comes back last
			c := all[i]
			if time.Since(c.idleSince) < idleTimeout && c.raw.Quiet() {
				s.push(c)
				continue
			}
			p.waiting.Add(-1)
			go c.end()
		}
		if s.left.Load() || p.closed.Load() {
			p.empty(s)
		}
	}
	p.sweeping.Store(false)
	p.planSweep()
}

// empty closes the connections of a stack.
func (p *pool) empty(s *stack) {
	for _, c := range s.popAll() {
		p.waiting.Add(-1)
		c.abort()
	}
}

// close closes the idle connections; those in use are closed after their use.
func (p *pool) close() {
	p.closed.Store(true)
	for _, s := range p.idle.Values() {
		p.empty(s)
	}
}

// end closes an idle connection, with TLS's close_notify.
func (c *conn) end() {
	_ = c.SetDeadline(time.Now().Add(time.Second))
	_ = c.Close()
}

// connect opens a connection.
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
	below := tcp.New(raw)
	if !to.secure {
		return newConn(p, to, below, below), nil
	}
	config := p.tls.Clone()
	config.ServerName = host
	secure := tls.Client(below, config)
	ctx, cancel := context.WithTimeout(ctx, p.dialer.Timeout)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return newConn(p, to, secure, below), nil
}
