// Package peers tells who is at the other end of a connection, and whose word
// about their own clients counts.
package peers

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Unix stands for whoever connects to the unix socket, who has no address:
// in trusted_proxies, and as the peer of a connection.
const Unix = "unix"

// announced precedes the address of a client that a balancer has announced by the PROXY
// protocol. Such a client speaks for itself alone, whatever its address.
const announced = "announced:"

// Announced is the address of a client that a balancer has announced.
type Announced struct{ net.Addr }

// String implements net.Addr.
func (a Announced) String() string { return announced + a.Addr.String() }

// IsAnnounced reports whether a peer is not at the other end of the connection, but
// announced by who is.
func IsAnnounced(remote string) bool { return strings.HasPrefix(remote, announced) }

// Trusted are those whose word about their own clients counts.
type Trusted struct {
	Networks []netip.Prefix
	Unix     bool // whoever may connect to the unix socket
}

// None reports whether there are none.
func (p Trusted) None() bool { return len(p.Networks) == 0 && !p.Unix }

// Trust reports whether a peer is one of them. Its address is that of a
// connection: an IP address with a port, Unix, or Announced.
func (p Trusted) Trust(remote string) bool {
	return p.Unix && remote == Unix || !IsAnnounced(remote) && p.TrustAddr(AddrOf(remote))
}

// TrustAddr is Trust for an address without a port.
func (p Trusted) TrustAddr(address netip.Addr) bool {
	return slices.ContainsFunc(p.Networks, func(n netip.Prefix) bool { return n.Contains(address) })
}

// AddrOf is the IP address of a peer; it is not valid when there is none.
func AddrOf(remote string) netip.Addr {
	p, err := netip.ParseAddrPort(strings.TrimPrefix(remote, announced))
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr().Unmap().WithZone("")
}
