package config

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"osp/go/wire"
)

// readStoreHost reads a bare host name, IPv4 address or IPv6 address in
// brackets, and returns it without brackets and whether it is an address.
func readStoreHost(v *value) (host string, isIP bool) {
	s, ok := v.str()
	if !ok {
		return "", false
	}
	if inner, found := cutBrackets(s); found {
		addr, err := netip.ParseAddr(inner)
		if err != nil || !addr.Is6() {
			v.reject("must have an IPv6 address inside the brackets")
		}
		return inner, true
	}
	if addr, err := netip.ParseAddr(s); err == nil {
		if addr.Is6() {
			v.reject("must have brackets around an IPv6 address")
		}
		return s, true
	}
	if complaint := checkHostName(s); complaint != "" {
		v.reject("%s", complaint)
	}
	return strings.ToLower(s), false
}

// readListenHost reads the address that a listener binds.
func readListenHost(v *value) string {
	s, ok := v.str()
	if !ok {
		return ""
	}
	if inner, found := cutBrackets(s); found {
		s = inner
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return s
	}
	if complaint := checkHostName(s); complaint != "" {
		v.reject("%s", complaint)
	}
	return s
}

// readDomains reads the names under which clients put a bucket into the host.
// The longest comes first, so that a domain below another one is tried before it.
func readDomains(one *value, more []*value) []string {
	var out []string
	for _, item := range append(more, one) {
		s, ok := item.str()
		if !ok {
			continue
		}
		complaint := checkHostName(s)
		if _, err := netip.ParseAddr(s); err == nil {
			complaint = "must be a domain: an address has no subdomains"
		}
		if complaint != "" {
			item.reject("%s", complaint)
		}
		out = append(out, strings.ToLower(s))
	}
	slices.SortStableFunc(out, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return out
}

func cutBrackets(s string) (inner string, found bool) {
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		return s[1 : len(s)-1], true
	}
	return s, false
}

// checkHostName returns what is wrong with a host name, if anything. It lets
// underscores pass, which container networks use in the names of services.
func checkHostName(s string) string {
	switch {
	case strings.Contains(s, "://"):
		return "must be a bare host name, without a scheme such as https://"
	case strings.Contains(s, "/"):
		return "must be a bare host name, without a path"
	case strings.Contains(s, ":"):
		return `must be a bare host name; the port goes into "port"`
	case len(s) > 253:
		return "must be a host name of at most 253 characters"
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, wire.NotInLabel) {
			return "must be a host name: letters, digits, hyphens and dots"
		}
	}
	return ""
}
