package upstream

import (
	"context"
	"net"
	"strings"
)

type dialer struct{ net.Dialer }

// dialAbrupt is dial for a connection that ends with a reset, whoever closes it.
// conn.abort does that, and says why, for the connections of a pool.
func (d *dialer) dialAbrupt(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.dial(ctx, network, address)
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails on a closed connection, as its use does
	}
	return c, err
}

// dial connects to a store. Names under localhost are loopback (RFC 6761 section
// 6.3), whatever the resolver says: virtual-hosted style puts the bucket's name in
// front of a local store's, and few resolvers know such names.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err == nil && strings.HasSuffix(strings.ToLower(host), ".localhost") {
		address = net.JoinHostPort("localhost", port)
	}
	return d.DialContext(ctx, network, address)
}
