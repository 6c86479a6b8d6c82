package proxy

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// forwarders are the peers whose X-Forwarded-* fields are believed. Anybody
// else's count for nothing.
type forwarders []netip.Prefix

func (f forwarders) trusts(address netip.Addr) bool {
	return slices.ContainsFunc(f, func(p netip.Prefix) bool { return p.Contains(address) })
}

// hosts are the authorities that the client may have signed: the one that was
// asked for, and those that a trusted forwarder says its client asked for,
// with and without the port.
func (f forwarders) hosts(r *http.Request) []string {
	hosts := []string{r.Host}
	if !f.trusts(peer(r)) {
		return hosts
	}
	host := last(r.Header, "X-Forwarded-Host")
	if host == "" {
		return hosts
	}
	hosts = append(hosts, host)
	if port := last(r.Header, "X-Forwarded-Port"); port != "" && !strings.Contains(host, ":") {
		hosts = append(hosts, host+":"+port)
	}
	if bare, _, ported := strings.Cut(host, ":"); ported && !strings.Contains(host, "[") {
		hosts = append(hosts, bare)
	}
	return hosts
}

// client is the address of who sent the request: the peer, or, behind trusted
// forwarders, the last address in X-Forwarded-For that is not one of them.
// What precedes it in the field is that client's own claim.
func (f forwarders) client(r *http.Request) string {
	address := peer(r)
	if !address.IsValid() {
		return r.RemoteAddr
	}
	chain := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for _, hop := range slices.Backward(chain) {
		if !f.trusts(address) {
			break
		}
		before, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		address = before.Unmap()
	}
	return address.String()
}

func peer(r *http.Request) netip.Addr {
	p, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr().Unmap().WithZone("")
}

// last returns the last element of a list field: the one that the nearest
// forwarder wrote.
func last(h http.Header, name string) string {
	all := strings.Join(h[name], ",")
	return strings.TrimSpace(all[strings.LastIndexByte(all, ',')+1:])
}
