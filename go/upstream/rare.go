package upstream

import (
	"net"
	"net/http"
	"net/url"

	"osp/go/stores"
)

// Rare returns a transport for requests that are too rare to keep connections for:
// each is closed after its use.
func Rare(t stores.Transport) (http.RoundTripper, error) {
	secure, err := tlsConfig(t)
	if err != nil {
		return nil, err
	}
	var proxy func(*http.Request) (*url.URL, error)
	if t.TrustEnv {
		proxy = http.ProxyFromEnvironment
	}
	d := dialer{net.Dialer{Timeout: t.ConnectTimeout}}
	return &http.Transport{
		Proxy:                  proxy,
		DialContext:            d.dial,
		TLSHandshakeTimeout:    d.Timeout,
		TLSClientConfig:        secure,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		ResponseHeaderTimeout:  t.AnswerTimeout,
		MaxResponseHeaderBytes: maxHead,
	}, nil
}
