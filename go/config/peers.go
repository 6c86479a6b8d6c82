package config

import (
	"net/netip"
	"path/filepath"
	"strings"

	"osp/go/peers"
)

func readPeers(v *value) peers.Trusted {
	var out peers.Trusted
	for _, item := range v.items() {
		s, ok := item.str()
		if !ok {
			continue
		}
		if s == peers.Unix {
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
		v.reject("must be an absolute path: the working directory is unknown")
	case len(absolute) > maxSocketPath:
		v.reject("must have at most %d bytes as an absolute path", maxSocketPath)
	}
	return absolute
}
