package pipeline

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"osp/go/callbacks"
	"osp/go/peers"
)

func TestForwardedFieldsCountOnlyFromTrustedPeers(t *testing.T) {
	trusted := forwarders{Trusted: peers.Trusted{Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}}
	local := forwarders{Trusted: peers.Trusted{Unix: true}}
	for _, c := range []struct {
		name   string
		f      forwarders
		peer   string
		header http.Header
		hosts  []string
		client string
	}{
		{"nobody is trusted", forwarders{}, "10.0.0.1:5", http.Header{"X-Forwarded-Host": {"a"}, "X-Forwarded-For": {"1.2.3.4"}}, []string{"proxy:80"}, "10.0.0.1"},
		{"a stranger", trusted, "192.0.2.1:5", http.Header{"X-Forwarded-Host": {"a"}, "X-Forwarded-For": {"1.2.3.4"}}, []string{"proxy:80"}, "192.0.2.1"},
		{"a balancer", trusted, "10.0.0.1:5", http.Header{"X-Forwarded-Host": {"s3.example"}, "X-Forwarded-For": {"1.2.3.4"}}, []string{"proxy:80", "s3.example"}, "1.2.3.4"},
		{"with a port of its own", trusted, "10.0.0.1:5", http.Header{"X-Forwarded-Host": {"s3.example"}, "X-Forwarded-Port": {"8443"}}, []string{"proxy:80", "s3.example", "s3.example:8443"}, "10.0.0.1"},
		{"with the port in the host", trusted, "10.0.0.1:5", http.Header{"X-Forwarded-Host": {"s3.example:8443"}}, []string{"proxy:80", "s3.example:8443", "s3.example"}, "10.0.0.1"},
		{"a chain with claims of the client", trusted, "[fd00::1]:5", http.Header{"X-Forwarded-For": {"127.0.0.1, 1.2.3.4", "10.9.9.9"}, "X-Forwarded-Host": {"evil, s3.example"}}, []string{"proxy:80", "s3.example"}, "1.2.3.4"},
		{"a chain with nonsense", trusted, "10.0.0.1:5", http.Header{"X-Forwarded-For": {"1.2.3.4, unknown"}}, []string{"proxy:80"}, ""},
		{"words of our own", trusted, "10.0.0.1:5", http.Header{"X-Forwarded-For": {"announced:192.0.2.5:80"}}, []string{"proxy:80"}, ""},
		{"nonsense before a trusted hop", trusted, "10.0.0.1:5", http.Header{"X-Forwarded-For": {"unknown, 10.9.9.9"}}, []string{"proxy:80"}, ""},
		{"nonsense that the client claims", trusted, "10.0.0.1:5", http.Header{"X-Forwarded-For": {"unknown, 1.2.3.4"}}, []string{"proxy:80"}, "1.2.3.4"},
		{"a chain that ends in nothing", trusted, "10.0.0.1:5", http.Header{"X-Forwarded-For": {"1.2.3.4,"}}, []string{"proxy:80"}, ""},
		{"an empty chain", trusted, "10.0.0.1:5", http.Header{"X-Forwarded-For": {""}}, []string{"proxy:80"}, ""},
		{"an empty chain over a unix socket", local, "unix", http.Header{"X-Forwarded-For": {""}}, []string{"proxy:80"}, ""},
		{"a chain with ports", trusted, "10.0.0.1:5", http.Header{"X-Forwarded-For": {"1.2.3.4:4711, 10.9.9.9:80"}}, []string{"proxy:80"}, "1.2.3.4"},
		{"a chain with a port and IPv6", trusted, "10.0.0.1:5", http.Header{"X-Forwarded-For": {"[2001:db8::1]:99"}}, []string{"proxy:80"}, "2001:db8::1"},
		{"IPv6 in brackets without a port", trusted, "10.0.0.1:5", http.Header{"X-Forwarded-For": {"[2001:db8::1], [fd00::2]"}}, []string{"proxy:80"}, "2001:db8::1"},
		{"a mapped address in brackets", trusted, "10.0.0.1:5", http.Header{"X-Forwarded-For": {"[::ffff:192.0.2.1], [::ffff:10.9.9.9]"}}, []string{"proxy:80"}, "192.0.2.1"},
		{"a zone in brackets", trusted, "10.0.0.1:5", http.Header{"X-Forwarded-For": {"[fe80::1%eth0]"}}, []string{"proxy:80"}, "fe80::1"},
		{"a host with a path", trusted, "10.0.0.1:5", http.Header{"X-Forwarded-Host": {"other/secret.s3.example"}}, []string{"proxy:80"}, "10.0.0.1"},
		{"a port with a path", trusted, "10.0.0.1:5", http.Header{"X-Forwarded-Host": {"s3.example"}, "X-Forwarded-Port": {"80/x"}}, []string{"proxy:80", "s3.example"}, "10.0.0.1"},
		{"a unix socket", local, "unix", http.Header{"X-Forwarded-Host": {"s3.example"}, "X-Forwarded-For": {"1.2.3.4"}}, []string{"proxy:80", "s3.example"}, "1.2.3.4"},
		{"a unix socket without more", local, "unix", http.Header{}, []string{"proxy:80"}, "unix"},
		{"a unix socket that nobody trusts", trusted, "unix", http.Header{"X-Forwarded-Host": {"a"}, "X-Forwarded-For": {"1.2.3.4"}}, []string{"proxy:80"}, "unix"},
		{"a stranger beside a unix socket", local, "10.0.0.1:5", http.Header{"X-Forwarded-Host": {"a"}, "X-Forwarded-For": {"1.2.3.4"}}, []string{"proxy:80"}, "10.0.0.1"},
		{"a mapped address", trusted, "[::ffff:10.0.0.1]:5", http.Header{"X-Forwarded-For": {"::ffff:1.2.3.4"}}, []string{"proxy:80"}, "1.2.3.4"},
	} {
		r := &http.Request{Host: "proxy:80", RemoteAddr: c.peer, Header: c.header}
		if got := c.f.hosts(r); !slices.Equal(got, c.hosts) {
			t.Errorf("%s: hosts %q, want %q", c.name, got, c.hosts)
		}
		if got := c.f.client(r); got != c.client {
			t.Errorf("%s: client %s, want %s", c.name, got, c.client)
		}
	}
}

func TestAnAddressThatIsNoneIsNobodys(t *testing.T) {
	for _, hop := range []string{
		"[]", "[", "]", "[2001:db8::1", "2001:db8::1]", "[[2001:db8::1]]", "[2001:db8::1]x", "[2001:db8::1]:", "[2001:db8::1]:x", "[2001:db8::1]:99999",
		"[2001:db8::1] ]", "[ 2001:db8::1]", "[2001:db8::1 ]", "[2001:db8::1][2001:db8::2]", "[192.0.2.1]", "[192.0.2.1]:80", "[2001:db8::1]:80:80", "[fe80::1%]",
		"2001:db8::1%", "192.0.2.1:", "192.0.2.1:x", "192.0.2.01", "unknown", "_hidden", "[unknown]", "announced:[2001:db8::1]", "[announced:2001:db8::1]",
	} {
		if address := hopAddr(hop); address.IsValid() {
			t.Errorf("%q is %s", hop, address)
		}
	}
}

func TestTheSignedHostMayBeTheForwardedOne(t *testing.T) {
	forwarded := func(r *rig) *http.Request {
		req := r.Request("GET", "/photos/k", "")
		req.Host = "s3.example:8443"
		signed := r.Sign(req, "")
		signed.Host = "" // what the balancer asks for
		signed.Header.Set("X-Forwarded-Host", "s3.example")
		signed.Header.Set("X-Forwarded-Port", "8443")
		return signed
	}
	r := start(t, callbacks.Set{}, nil)
	r.Refuses(forwarded(r), 403, "SignatureDoesNotMatch")
	r = start(t, callbacks.Set{}, settings{"trusted_proxies": []string{"127.0.0.0/8"}})
	if a := r.Do(forwarded(r)); a.StatusCode != 200 {
		t.Errorf("got %d %s", a.StatusCode, a.Content)
	}
}

func TestLocationsHaveTheSchemeThatATrustedForwarderSays(t *testing.T) {
	for _, c := range []struct{ trusted, said, want string }{
		{"127.0.0.0/8", "https", "https"}, {"127.0.0.0/8", "HTTPS", "https"}, {"127.0.0.0/8", "gopher", "http"}, {"127.0.0.0/8", "", "http"}, {"192.0.2.0/24", "https", "http"},
	} {
		r := start(t, callbacks.Set{}, settings{"trusted_proxies": []string{c.trusted}})
		r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "<CompleteMultipartUploadResult><Location>http://store/lake/a</Location></CompleteMultipartUploadResult>")
		})
		req := r.Signed("POST", "/photos/k?uploadId=u", "<CompleteMultipartUpload/>")
		req.Header.Set("X-Forwarded-Proto", c.said)
		if a := r.Do(req); !strings.Contains(string(a.Content), "<Location>"+c.want+"://127.0.0.1:") {
			t.Errorf("%+v: %s", c, a.Content)
		}
	}
}

func TestTheHostMayNameTheBucket(t *testing.T) {
	var asked []string
	h := callbacks.Set{ValidatorSeesRequest: true, Validator: func(_ context.Context, q *callbacks.Request) (callbacks.Decision, error) {
		asked = append(asked, q.Bucket+" "+q.Key+" "+q.Path)
		return callbacks.Decision{Allow: true}, nil
	}}
	change := settings{"domains": []string{"proxy.example", "s3.proxy.example"}, "trusted_proxies": []string{"127.0.0.1"}}
	r := entries(t, h, change, map[string]settings{"photos": {"ttl": 0}, "my.photos": {"ttl": 0}})
	for _, c := range []struct{ host, forwarded, path, want, target string }{
		{"photos.proxy.example", "", "/a/k", "photos a/k /photos/a/k", "/photos/a/k"},
		{"Photos.S3.Proxy.Example:80", "", "/k", "photos k /photos/k", "/photos/k"},
		{"my.photos.s3.proxy.example", "", "/k", "my.photos k /my.photos/k", "/my.photos/k"},
		{"proxy.example", "", "/photos/k", "photos k /photos/k", "/photos/k"},
		{"photos.elsewhere.example", "", "/photos/k", "photos k /photos/k", "/photos/k"},
		{"internal", "photos.proxy.example", "/k", "photos k /photos/k", "/photos/k"},
		{"photos.proxy.example", "my.photos.proxy.example", "/k", "", ""}, // signed for the one, sent to the other
	} {
		asked = nil
		before := len(r.Store.Requests())
		req := r.Request("GET", c.path, "")
		req.Host = c.host
		if c.forwarded != "" && c.want != "" {
			req.Host = c.forwarded
		}
		req = r.Sign(req, "")
		if c.forwarded != "" {
			req.Host = c.host
			req.Header.Set("X-Forwarded-Host", c.forwarded)
		}
		a := r.Do(req)
		got, target := strings.Join(asked, ","), ""
		if seen := r.Store.Requests(); len(seen) > before {
			target = seen[before].Target
		}
		if got != c.want || target != c.target || (c.want == "") != (a.Code() == "SignatureDoesNotMatch") {
			t.Errorf("%s: asked %q, sent %q, %d %s", c.host, got, target, a.StatusCode, a.Code())
		}
	}
}
