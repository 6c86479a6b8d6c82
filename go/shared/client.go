package shared

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"time"

	"github.com/valkey-io/valkey-go"

	"osp/go/shared/address"
)

// dialTimeout bounds how long a connection takes to be established.
const dialTimeout = time.Second

// clientOf are the options of a client that repeats nothing, remembers nothing,
// and has small buffers. The certificates of the address have been checked.
func clientOf(a *address.Address, timeout time.Duration) valkey.ClientOption {
	o := valkey.ClientOption{
		InitAddress: a.Hosts, SelectDB: a.Database, Username: a.User, Password: a.Password.Reveal(), TLSConfig: tlsOf(a),
		ClientName: "object-storage-proxy", ClientSetInfo: []string{}, DisableRetry: true, DisableCache: true, ForceSingleClient: a.Master == "" && !a.Cluster,
		Dialer: net.Dialer{Timeout: dialTimeout, KeepAlive: time.Second}, ConnWriteTimeout: max(timeout, Lease/4),
		ReadBufferEachConn: 32 << 10, WriteBufferEachConn: 32 << 10, RingScaleEachConn: 8,
	}
	if a.Socket != "" {
		o.InitAddress = []string{a.Socket}
		o.DialCtxFn = func(ctx context.Context, path string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
			return d.DialContext(ctx, "unix", path)
		}
	}
	if a.Master != "" {
		o.Sentinel = valkey.SentinelOption{
			MasterSet: a.Master, Username: o.Username, Password: o.Password, TLSConfig: o.TLSConfig, Dialer: o.Dialer, ClientName: o.ClientName,
		}
	}
	return o
}

func tlsOf(a *address.Address) *tls.Config {
	if !a.TLS {
		return nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if a.CA != "" {
		c.RootCAs = x509.NewCertPool()
		c.RootCAs.AppendCertsFromPEM([]byte(a.CA))
	}
	if pair, err := tls.X509KeyPair([]byte(a.Cert), []byte(a.Key.Reveal())); err == nil {
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}
