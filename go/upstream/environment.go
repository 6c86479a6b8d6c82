package upstream

import (
	"crypto/tls"
	"net/http"
	"time"
)

// proxied reaches stores through the proxy that the environment names. It is
// net/http's transport: what proxies want (CONNECT, credentials, SOCKS) is not
// what this project is about, and it is not made for speed.
type proxied struct{ http.Transport }

// RoundTrip implements http.RoundTripper.
func (p *proxied) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header["User-Agent"] == nil {
		req.Header["User-Agent"] = []string{""} // or it would add its own
	}
	respell(req.Header)
	return p.Transport.RoundTrip(req)
}

func (p *proxied) close() { p.CloseIdleConnections() }

func throughProxy(d dialer, secure *tls.Config, answer time.Duration) *proxied {
	return &proxied{http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            d.dialAbrupt,
		TLSHandshakeTimeout:    d.Timeout,
		TLSClientConfig:        secure,
		DisableCompression:     true, // or it would ask for gzip on its own and unpack the answer
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTimeout,
		ResponseHeaderTimeout:  answer,
		MaxResponseHeaderBytes: maxHead,
	}}
}
