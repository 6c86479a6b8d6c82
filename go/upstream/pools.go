package upstream

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"osp/go/s3err"
	"osp/go/stores"
)

// patientFactor is how many times longer the response to a patient call may take.
const patientFactor = 10

// pools are the connections to all stores. Entries with the same settings for
// transport share theirs. The zero pools is empty.
type pools struct {
	// byEntry holds the route of each entry in use, *stores.Bucket to *route: a
	// request finds its own without a lock, and without hashing the certificates
	// that distinguish routes.
	byEntry sync.Map

	mu     sync.Mutex
	routes map[digest]*route
	live   map[*stores.Bucket]bool // all entries there are; nil: not yet known
}

// route is the connections of the entries that share a digest.
type route struct {
	to             digest
	usual, patient closer
}

// closer is a transport whose connections can be closed.
type closer interface {
	http.RoundTripper
	close()
}

// digest identifies a stores.Transport by its content.
type digest [sha256.Size]byte

func digestOf(t stores.Transport) digest {
	h := sha256.New()
	for _, text := range []string{t.CA, t.Cert, t.Key.Reveal()} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(text), text) // a hash never fails
	}
	_, _ = fmt.Fprint(h, t.VerifyTLS, t.TrustEnv, t.ConnectTimeout, t.AnswerTimeout)
	return digest(h.Sum(nil))
}

// get returns the connections for a call.
func (p *pools) get(call *Call) (http.RoundTripper, error) {
	entry := call.Bucket.Entry()
	found, ok := p.byEntry.Load(entry)
	if !ok {
		var err error
		if found, err = p.add(entry); err != nil {
			return nil, s3err.InternalError.Because(err)
		}
	}
	if call.Patient {
		return found.(*route).patient, nil
	}
	return found.(*route).usual, nil
}

func (p *pools) add(entry *stores.Bucket) (*route, error) {
	to := digestOf(entry.Transport)
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.routes[to]
	known := p.live == nil || p.live[entry]
	if r == nil {
		var err error
		if r, err = newRoute(to, entry.Transport); err != nil {
			return nil, err
		}
		if !known { // a request has outlived its entry: each connection is closed after its use
			r.close()
			return r, nil
		}
		if p.routes == nil {
			p.routes = make(map[digest]*route)
		}
		p.routes[to] = r
	}
	if known {
		p.byEntry.Store(entry, r)
	}
	return r, nil
}

// keep drops the routes that none of the live entries uses.
func (p *pools) keep(live map[*stores.Bucket]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live = live
	used := make(map[digest]bool, len(p.routes))
	p.byEntry.Range(func(entry, r any) bool {
		if live[entry.(*stores.Bucket)] {
			used[r.(*route).to] = true
		} else {
			p.byEntry.Delete(entry)
		}
		return true
	})
	for entry := range live {
		if len(used) == len(p.routes) {
			return
		}
		if _, ok := p.byEntry.Load(entry); !ok { // the entry is new, but its route need not be
			if to := digestOf(entry.Transport); p.routes[to] != nil {
				used[to] = true
			}
		}
	}
	for to, r := range p.routes {
		if !used[to] {
			delete(p.routes, to)
			r.close()
		}
	}
}

func (p *pools) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.routes {
		r.close()
	}
}

func (r *route) close() {
	r.usual.close()
	r.patient.close()
}

func newRoute(to digest, t stores.Transport) (*route, error) {
	secure, err := tlsConfig(t)
	if err != nil {
		return nil, err
	}
	dialer := dialer{net.Dialer{Timeout: t.ConnectTimeout, KeepAlive: 30 * time.Second}}
	within := func(timeout time.Duration) closer {
		if t.TrustEnv {
			return newProxyTransport(dialer, secure, timeout)
		}
		return newPool(dialer, secure, timeout)
	}
	return &route{to: to, usual: within(t.AnswerTimeout), patient: within(patientFactor * t.AnswerTimeout)}, nil
}

func tlsConfig(t stores.Transport) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: !t.VerifyTLS, ClientSessionCache: tls.NewLRUClientSessionCache(256)}
	if t.CA != "" {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM([]byte(t.CA)) {
			return nil, errors.New("ca_file contains no certificate")
		}
	}
	if t.Cert != "" {
		pair, err := tls.X509KeyPair([]byte(t.Cert), []byte(t.Key.Reveal()))
		if err != nil {
			return nil, errors.New("client_cert_file and client_key_file do not belong together")
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
