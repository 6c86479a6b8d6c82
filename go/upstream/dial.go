package upstream

import (
	"context"
	"net"
	"strings"
)

type dialer struct{ net.Dialer }

// dial connects to a store. Names under localhost are loopback by RFC 6761
// section 6.3, whatever a resolver knows: virtual-hosted style puts a bucket's
// name in front of a local store's, and few resolvers know such a name.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err == nil && strings.HasSuffix(strings.ToLower(host), ".localhost") {
		address = net.JoinHostPort("localhost", port)
	}
	return d.DialContext(ctx, network, address)
}
