package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"osp/go/tcp"
)

const (
	maxIdle     = 1024 // idle connections of one pool
	idleTimeout = 60 * time.Second
	sweepEvery  = 15 * time.Second // the time between two sweeps
)

// authority is where a connection leads.
type authority struct {
	host   string // as in Host: without the scheme's default port
	secure bool
}

// pool holds the connections to stores that have the same settings for transport.
// It implements http.RoundTripper.
type pool struct {
	dialer          dialer
	tls             *tls.Config
	responseTimeout time.Duration // from the end of a request to the first byte of its response

	mu      sync.Mutex
	idle    map[authority][]*conn // the latest to be used last
	waiting int                   // idle connections of all authorities
	sweeper *time.Timer           // nil while there are none
	closed  bool
}

// RoundTrip implements http.RoundTripper. A request is sent a second time only if
// it has no body, only reads, and its first connection, which had served before,
// ended without a byte of a response (RFC 9110 section 9.2.2).
func (p *pool) RoundTrip(req *http.Request) (*http.Response, error) {
	w, err := newWireRequest(req)
	if err != nil {
		return nil, err
	}
	defer w.release()
	repeatable := req.Body == nil && (req.Method == http.MethodGet || req.Method == http.MethodHead)
	to := authority{req.URL.Host, req.URL.Scheme == "https"}
	c := p.take(to)
	if c == nil {
		return p.roundTripNew(w, to)
	}
	resp, err := c.roundTrip(w, p.responseTimeout)
	var stale *staleError
	if repeatable && errors.As(err, &stale) {
		return p.roundTripNew(w, to)
	}
	return resp, err
}

// roundTripNew sends a request on a new connection.
func (p *pool) roundTripNew(w *wireRequest, to authority) (*http.Response, error) {
	c, err := p.connect(w.req.Context(), to)
	if err != nil {
		return nil, err
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
	c.used, c.idleSince, c.stopAbort = true, time.Now(), nil
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

// sweep drops the connections that have been idle too long or that the store has
// closed.
func (p *pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for to, waiting := range p.idle {
		kept := waiting[:0]
		for _, c := range waiting {
			if time.Since(c.idleSince) < idleTimeout && c.raw.Quiet() {
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

// close closes the idle connections; those in use are closed after their use.
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
