package proxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"osp/go/callbacks"
)

// introduced is a client whose connections begin with a text.
func introduced(t *testing.T, header string) *http.Client {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, address)
		if err == nil {
			_, err = io.WriteString(conn, header)
		}
		return conn, err
	}
	transport := &http.Transport{DisableCompression: true, DialContext: dial}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestTheClientIsWhomATrustedBalancerIntroduces(t *testing.T) {
	const header = "PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n"
	for _, c := range []struct {
		name, trusted, header, forwarded string
		status                           int // 0: no answer
		source                           string
	}{
		{"a client", "127.0.0.0/8", header, "", 200, "192.0.2.7"},
		{"a client that forges a field", "127.0.0.0/8", header, "198.51.100.1", 200, "192.0.2.7"},
		{"a client that forges one, from where balancers are", "127.0.0.0/8", "PROXY TCP4 127.0.0.9 10.0.0.1 12345 443\r\n", "198.51.100.1", 200, "127.0.0.9"},
		{"a client of whom nothing is known", "127.0.0.0/8", "PROXY UNKNOWN\r\n", "198.51.100.1", 200, "unknown"},
		{"a balancer that speaks for itself", "127.0.0.0/8", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00", "198.51.100.1", 200, "198.51.100.1"},
		{"a balancer without a header", "127.0.0.0/8", "", "198.51.100.1", 0, ""},
		{"a stranger with a header", "10.0.0.0/8", header, "", 400, ""},
		{"a stranger without one", "10.0.0.0/8", "", "198.51.100.1", 200, "127.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sources []string
			h := callbacks.Set{ValidatorSeesRequest: true, Validator: func(_ context.Context, q *callbacks.Request) (callbacks.Decision, error) {
				sources = append(sources, q.Source)
				return callbacks.Decision{Allow: true, Once: true}, nil
			}}
			r := start(t, h, settings{"proxy_protocol": true, "trusted_proxies": []string{c.trusted}})
			req := r.Signed("GET", "/photos/k", "")
			if c.forwarded != "" {
				req.Header.Set("X-Forwarded-For", c.forwarded)
			}
			resp, err := introduced(t, c.header).Do(req)
			status := 0
			if err == nil {
				status = resp.StatusCode
				_ = resp.Body.Close()
			}
			if status != c.status || strings.Join(sources, ",") != c.source {
				t.Errorf("got %d, %v; the sources are %q", status, err, sources)
			}
		})
	}
}
