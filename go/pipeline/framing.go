package pipeline

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"osp/go/h1"
)

// errFraming is a request that two readers could understand in two ways.
var errFraming = errors.New("ambiguous HTTP framing")

// checkFraming refuses requests that net/http took although RFC 9113 calls them
// malformed (section 8.2.1, 8.1.1 and 8.3.1): header values with space around
// them, a Content-Length that does not describe the body, a Host beside
// another :authority, an :authority that could be read as one with a path, a
// :path with an authority of its own. A second reader of the same request, or
// whoever canonicalises it for a signature, might see something else there.
// HTTP/1 requests pass the same check, most of which package h1 has made before.
func checkFraming(r *http.Request) error {
	if !h1.IsToken(r.Method) {
		return fmt.Errorf("%w: not a method", errFraming)
	}
	if !h1.IsHost(r.Host) {
		return fmt.Errorf("%w: not a host", errFraming)
	}
	if r.ProtoMajor > 1 && !strings.HasPrefix(r.RequestURI, "/") && r.RequestURI != "*" {
		return fmt.Errorf("%w: not a :path", errFraming)
	}
	for name, values := range r.Header {
		for _, v := range values {
			if v != "" && (blank(v[0]) || blank(v[len(v)-1])) {
				return fmt.Errorf("%w: %s begins or ends with space", errFraming, name)
			}
		}
	}
	if lengths := r.Header["Content-Length"]; lengths != nil {
		if len(lengths) > 1 || lengths[0] != strconv.FormatInt(r.ContentLength, 10) {
			return fmt.Errorf("%w: Content-Length is not that of the body", errFraming)
		}
	}
	if hosts := r.Header["Host"]; len(hosts) > 1 || len(hosts) == 1 && hosts[0] != r.Host {
		return fmt.Errorf("%w: Host differs from :authority", errFraming)
	}
	return nil
}

func blank(c byte) bool { return c == ' ' || c == '\t' }
