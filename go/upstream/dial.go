package upstream

import (
	"context"
	"net"
	"strings"
)

type dialer struct{ net.Dialer }

// dialAbrupt is dial for a connection that ends with a reset, whoever closes it:
// see conn.abort, which is for those that are this package's own.
func (d *dialer) dialAbrupt(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.dial(ctx, network, address)
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails on a closed connection, as what follows does
	}
	return c, err
}

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
