package pipeline

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"osp/go/h1"
	"osp/go/peers"
)

// hosts knows what the host of a request says.
type hosts struct {
	forwarders
	domains []string // in lower case, longest first
}

// of returns the bucket that the client put into the host, empty in path style,
// and the authorities that it may have signed. All of them name that bucket: a
// signature for the host of one must not open another.
func (h hosts) of(r *http.Request) (virtual string, signable []string) {
	signable = h.forwarders.hosts(r)
	if len(h.domains) == 0 {
		return "", signable
	}
	virtual = h.bucket(askedHost(signable))
	return virtual, slices.DeleteFunc(signable, func(host string) bool { return h.bucket(host) != virtual })
}

// askedHost is the authority that the client asked for, out of those that it may
// have signed: where a forwarder says one, that of its client.
func askedHost(signable []string) string { return signable[min(1, len(signable)-1)] }

// bucket is what precedes one of the domains in an authority.
func (h hosts) bucket(authority string) string {
	host := strings.ToLower(authority)
	if bare, _, err := net.SplitHostPort(host); err == nil {
		host = bare
	}
	host = strings.TrimSuffix(host, ".")
	for _, domain := range h.domains {
		if bucket, ok := strings.CutSuffix(host, "."+domain); ok {
			return bucket
		}
	}
	return ""
}

// forwarders are the peers whose X-Forwarded-* fields are believed. Anybody
// else's count for nothing.
type forwarders struct{ peers.Trusted }

// hosts are the authorities that the client may have signed: the one that was
// asked for, and those that a trusted forwarder says its client asked for,
// with and without the port.
func (f forwarders) hosts(r *http.Request) []string {
	hosts := []string{r.Host}
	if f.None() || !f.Trust(r.RemoteAddr) {
		return hosts
	}
	host := last(r.Header, "X-Forwarded-Host")
	if host == "" || !h1.IsHost(host) {
		return hosts
	}
	hosts = append(hosts, host)
	if port := last(r.Header, "X-Forwarded-Port"); port != "" && h1.IsHost(port) && !strings.Contains(host, ":") {
		hosts = append(hosts, host+":"+port)
	}
	if bare, _, ported := strings.Cut(host, ":"); ported && !strings.Contains(host, "[") {
		hosts = append(hosts, bare)
	}
	return hosts
}

// scheme is the one by which the client came: where TLS ends at a trusted
// forwarder, it says so.
func (f forwarders) scheme(r *http.Request, own string) string {
	if f.None() || !f.Trust(r.RemoteAddr) {
		return own
	}
	switch said := strings.ToLower(last(r.Header, "X-Forwarded-Proto")); said {
	case "http", "https":
		return said
	}
	return own
}

// client is the address of who sent the request: the peer, or, behind trusted
// forwarders, the last address in X-Forwarded-For that is not one of them. What
// precedes it in the field is that client's own claim. It is empty where a forwarder
// says something that is no address: then nobody knows it, and the forwarder's own
// would pass for it.
func (f forwarders) client(r *http.Request) string {
	fields := r.Header["X-Forwarded-For"]
	if len(fields) > 0 && !f.None() && f.Trust(r.RemoteAddr) {
		return f.foremost(fields)
	}
	address := peers.AddrOf(r.RemoteAddr)
	if !address.IsValid() { // of a unix socket
		return r.RemoteAddr
	}
	return address.String()
}

// silent reports whether client returns the address of a forwarder that says nothing of
// who is behind it.
func (f forwarders) silent(r *http.Request) bool {
	return len(r.Header["X-Forwarded-For"]) == 0 && !f.None() && f.Trust(r.RemoteAddr)
}

// foremost goes back from a trusted forwarder as far as the word of trusted ones reaches.
func (f forwarders) foremost(fields []string) string {
	var address netip.Addr
	chain := strings.Split(strings.Join(fields, ","), ",")
	for _, hop := range slices.Backward(chain) {
		if address = hopAddr(strings.TrimSpace(hop)); !address.IsValid() {
			return ""
		}
		if !f.TrustAddr(address) {
			break
		}
	}
	return address.String()
}

// hopAddr reads an address, to which some balancers add the port, and others only the
// brackets that a port would need; it is not valid when there is none.
func hopAddr(text string) netip.Addr {
	if address, err := netip.ParseAddr(text); err == nil {
		return address.Unmap().WithZone("")
	}
	if peers.IsAnnounced(text) { // nobody else says that
		return netip.Addr{}
	}
	if strings.HasSuffix(text, "]") {
		text += ":0"
	}
	return peers.AddrOf(text)
}

// last returns the last element of a list field: the one that the nearest
// forwarder wrote.
func last(h http.Header, name string) string {
	all := strings.Join(h[name], ",")
	return strings.TrimSpace(all[strings.LastIndexByte(all, ',')+1:])
}
