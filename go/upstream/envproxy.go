package upstream

import (
	"crypto/tls"
	"net/http"
	"time"
)

// proxyTransport reaches stores through the proxy that the environment names. It
// is net/http's transport, which knows what proxies need (CONNECT, credentials,
// SOCKS). It is slower than a pool.
type proxyTransport struct{ http.Transport }

// RoundTrip implements http.RoundTripper.
func (p *proxyTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header["User-Agent"] == nil {
		req.Header["User-Agent"] = []string{""} // or it would add its own
	}
	respell(req.Header)
	return p.Transport.RoundTrip(req)
}

func (p *proxyTransport) close() { p.CloseIdleConnections() }

func newProxyTransport(d dialer, secure *tls.Config, timeout time.Duration) *proxyTransport {
	return &proxyTransport{http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            d.dialAbrupt,
		TLSHandshakeTimeout:    d.Timeout,
		TLSClientConfig:        secure,
		DisableCompression:     true, // or it would ask for gzip on its own and decompress the response
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTimeout,
		ResponseHeaderTimeout:  timeout,
		MaxResponseHeaderBytes: maxHead,
	}}
}
