// Package peers tells who is at the other end of a connection, and whose word
// about their own clients counts.
package peers

import (
	"net/netip"
	"slices"
)

// Unix stands for whoever connects to the unix socket, who has no address:
// in trusted_proxies, and as the peer of a connection.
const Unix = "unix"

// Trusted are those whose word about their own clients counts.
type Trusted struct {
	Networks []netip.Prefix
	Unix     bool // whoever may connect to the unix socket
}

// None reports whether there are none.
func (p Trusted) None() bool { return len(p.Networks) == 0 && !p.Unix }

// Trust reports whether a peer is one of them. Its address is that of a
// connection: an IP address with a port, or Unix.
func (p Trusted) Trust(remote string) bool {
	return p.Unix && remote == Unix || p.TrustAddr(AddrOf(remote))
}

// TrustAddr is Trust for an address without a port.
func (p Trusted) TrustAddr(address netip.Addr) bool {
	return slices.ContainsFunc(p.Networks, func(n netip.Prefix) bool { return n.Contains(address) })
}

// AddrOf is the IP address of a peer; it is not valid when there is none.
func AddrOf(remote string) netip.Addr {
	p, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr().Unmap().WithZone("")
}
