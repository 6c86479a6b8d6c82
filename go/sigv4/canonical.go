package sigv4

import (
	"slices"
	"strconv"
	"strings"

	"osp/go/s3err"
	"osp/go/wire"
)

// maxHosts bounds how many authorities are tried for one request.
const maxHosts = 8

// hostSpellings lists what the client may have signed as host: each authority
// as it arrived, then with its default port dropped, or with one added. Clients
// and the HTTP libraries below them disagree about that port
// (aws-sdk-rust#1244).
func hostSpellings(hosts []string) []string {
	var all []string
	add := func(h string) {
		if !slices.Contains(all, h) {
			all = append(all, h)
		}
	}
	hosts = hosts[:min(len(hosts), maxHosts)]
	for _, h := range hosts {
		add(strings.Trim(h, " \t"))
	}
	for _, h := range all[:len(all):len(all)] {
		if bare, port := splitPort(h); port == "" {
			add(h + ":443")
			add(h + ":80")
		} else if port == "443" || port == "80" {
			add(bare)
		}
	}
	return all
}

// splitPort handles brackets: the colons of an IPv6 address begin no port.
func splitPort(host string) (bare, port string) {
	i := strings.LastIndexByte(host, ':')
	if i < 0 || strings.HasSuffix(host, "]") {
		return host, ""
	}
	return host[:i], host[i+1:]
}

// canonicalise writes the canonical request.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
func (s *SignedRequest) canonicalise(r *Request, query []param, values [][]string, hash string) error {
	b := make([]byte, 0, 512+len(r.Method)+len(r.RawPath)+len(r.RawQuery))
	b = append(b, r.Method...)
	b = append(b, '\n')
	b, ok := wire.AppendCanonical(b, r.RawPath, wire.InPath)
	if !ok {
		return s3err.InvalidURI
	}
	b = append(b, '\n')
	b = appendQuery(b, query)
	b = append(b, '\n')
	for i, name := range s.signed {
		b = append(b, name...)
		b = append(b, ':')
		switch {
		case name == "host":
			s.hostAt = len(b)
			b = append(b, strings.Trim(s.hosts[0], " \t")...)
			s.hostLen = len(b) - s.hostAt
		case name == "content-length" && values[i] == nil && r.ContentLength >= 0:
			b = strconv.AppendInt(b, r.ContentLength, 10)
		case name == "transfer-encoding" && values[i] == nil:
			b = appendValues(b, r.TransferEncoding)
		default:
			b = appendValues(b, values[i])
		}
		b = append(b, '\n')
	}
	b = append(b, '\n')
	for i, name := range s.signed {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, name...)
	}
	b = append(b, '\n')
	s.canonical = append(b, hash...)
	return nil
}

// forHost returns the canonical request with another host in it. canonical
// itself is not changed.
func (s *SignedRequest) forHost(host string) []byte {
	b := make([]byte, 0, len(s.canonical)+len(host))
	b = append(b, s.canonical[:s.hostAt]...)
	b = append(b, host...)
	return append(b, s.canonical[s.hostAt+s.hostLen:]...)
}
