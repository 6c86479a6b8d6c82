package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"osp/go/config"
	"osp/go/s3err"
)

// patience is how much longer the answer may take to what makes a store work.
const patience = 10

// pools are the connections to stores, one pool for each way to reach one.
type pools struct {
	mu   sync.Mutex
	pool map[profile]closer
}

// closer is a transport whose connections can be closed.
type closer interface {
	http.RoundTripper
	close()
}

type profile struct {
	config.Transport
	patient bool
}

// get returns the pool for a call.
func (p *pools) get(call *Call) (http.RoundTripper, error) {
	k := profile{call.Bucket.Transport, call.Patient}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.pool[k]; t != nil {
		return t, nil
	}
	t, err := newTransport(k)
	if err != nil {
		return nil, s3err.InternalError.Because(err)
	}
	if p.pool == nil {
		p.pool = make(map[profile]closer)
	}
	p.pool[k] = t
	return t, nil
}

func (p *pools) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.pool {
		t.close()
	}
}

func newTransport(p profile) (closer, error) {
	secure, err := tlsConfig(p.Transport)
	if err != nil {
		return nil, err
	}
	answer := p.AnswerTimeout
	if p.patient {
		answer *= patience
	}
	dialer := dialer{net.Dialer{Timeout: p.ConnectTimeout, KeepAlive: 30 * time.Second}}
	if p.TrustEnv {
		return throughProxy(dialer, secure, answer), nil
	}
	return &pool{dialer: dialer, tls: secure, answer: answer}, nil
}

func tlsConfig(t config.Transport) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: !t.VerifyTLS, ClientSessionCache: tls.NewLRUClientSessionCache(256)}
	if t.CA != "" {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM([]byte(t.CA)) {
			return nil, errors.New("ca_file holds no certificate")
		}
	}
	if t.Cert != "" {
		pair, err := tls.X509KeyPair([]byte(t.Cert), []byte(t.Key.Reveal()))
		if err != nil {
			return nil, errors.New("client_cert_file and client_key_file are no pair")
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
