package monitor

import (
	"net"
	"net/netip"
	"strings"
)

// hosts are the host names and addresses for which a Server responds. A browser
// can be made to use any name for this address (DNS rebinding), and the page
// behind that name could then read what is meant for operators; so a name is
// accepted only if the configuration has it. An address can't be made to mean
// another.
type hosts struct {
	names     map[string]bool
	addresses map[netip.Addr]bool
	any       bool // any address
}

// newHosts returns the hosts of a Server that is bound to an address: that one,
// all addresses of this machine if it is bound to all, loopback, and those in
// the configuration.
func newHosts(bound net.Addr, told []string) hosts {
	h := hosts{names: map[string]bool{"localhost": true}, addresses: make(map[netip.Addr]bool)}
	if tcp, ok := bound.(*net.TCPAddr); ok {
		address := tcp.AddrPort().Addr().Unmap().WithZone("")
		h.addresses[address], h.any = true, address.IsUnspecified()
	}
	for _, host := range told {
		if address, err := netip.ParseAddr(host); err == nil {
			h.addresses[address.Unmap().WithZone("")] = true
		} else {
			h.names[strings.ToLower(host)] = true
		}
	}
	return h
}

// know reports whether an authority is one of them, with any port. Probes that
// name no host (HTTP/1.0) do not come from a browser.
func (h hosts) know(authority string) bool {
	host := authority
	if bare, _, err := net.SplitHostPort(authority); err == nil {
		host = bare
	} else if strings.HasPrefix(authority, "[") && strings.HasSuffix(authority, "]") {
		host = authority[1 : len(authority)-1]
	}
	if address, err := netip.ParseAddr(host); err == nil {
		address = address.Unmap().WithZone("")
		return h.any || address.IsLoopback() || h.addresses[address]
	}
	return authority == "" || h.names[strings.TrimSuffix(strings.ToLower(host), ".")]
}
