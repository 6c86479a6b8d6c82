package config

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
)

// UnixPeer stands for whoever connects to the unix socket, who has no address:
// in trusted_proxies, and as the peer of a connection.
const UnixPeer = "unix"

// Peers are those whose word about their own clients counts.
type Peers struct {
	Networks []netip.Prefix
	Unix     bool // whoever may connect to the unix socket
}

// None reports whether there are none.
func (p Peers) None() bool { return len(p.Networks) == 0 && !p.Unix }

// Trust reports whether a peer is one of them. Its address is that of a
// connection: an IP address with a port, or UnixPeer.
func (p Peers) Trust(remote string) bool {
	return p.Unix && remote == UnixPeer || p.TrustAddr(AddrOf(remote))
}

// TrustAddr is Trust for an address without a port.
func (p Peers) TrustAddr(address netip.Addr) bool {
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

func readPeers(v *value) Peers {
	var out Peers
	for _, item := range v.items() {
		s, ok := item.str()
		if !ok {
			continue
		}
		if s == UnixPeer {
			out.Unix = true
			continue
		}
		p, err := parsePrefix(s)
		if err != nil {
			item.reject(`must be an IP address, a network such as 10.0.0.0/8, or "unix"`)
			continue
		}
		out.Networks = append(out.Networks, p)
	}
	return out
}

func parsePrefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		return p.Masked(), err
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	addr = addr.Unmap().WithZone("")
	return addr.Prefix(addr.BitLen())
}

// maxSocketPath is the longest path that every system takes (sun_path of
// unix(4) on macOS, without its end).
const maxSocketPath = 103

func readSocketPath(v *value) string {
	path, ok := v.str()
	if !ok {
		return ""
	}
	switch {
	case strings.ContainsRune(path, 0):
		v.reject("must be a path without zero bytes")
	case strings.HasPrefix(path, "@"): // Linux would take it for a name that everybody may connect to
		v.reject("must be a path: begin it with ./ if its name begins with @")
	}
	absolute, err := filepath.Abs(path)
	switch {
	case err != nil:
		v.reject("must be an absolute path: the working directory is not known")
	case len(absolute) > maxSocketPath:
		v.reject("must have at most %d bytes from the root on", maxSocketPath)
	}
	return absolute
}
