package shared

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"time"

	"github.com/valkey-io/valkey-go"

	"osp/go/shared/address"
)

// dialTimeout bounds how long a connection takes to be established.
const dialTimeout = time.Second

// dial is a connection on its way. The rest is valid when it is done.
type dial struct {
	done   chan struct{}
	client valkey.Client
	err    error
}

// connected returns the connection, which is made when it is first needed. Whoever
// needs one meanwhile waits for the same, for as long as he likes. No request does.
func (s *State) connected(ctx context.Context) (valkey.Client, error) {
	s.connecting.Lock()
	client, d := s.client.Load(), s.dialing
	switch {
	case s.life.Err() != nil:
		s.connecting.Unlock()
		return nil, errNotConnected
	case client != nil:
		s.connecting.Unlock()
		return *client, nil
	case d == nil:
		d = &dial{done: make(chan struct{})}
		s.dialing = d
		go s.dial(d)
	}
	s.connecting.Unlock()
	select {
	case <-d.done:
		return d.client, d.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errNotConnected, ctx.Err())
	}
}

func (s *State) dial(d *dial) {
	defer close(d.done)
	d.client, d.err = valkey.NewClient(clientOf(s.o.Address, s.o.Timeout))
	s.connecting.Lock()
	defer s.connecting.Unlock()
	s.dialing = nil
	if d.err == nil {
		s.client.Store(&d.client)
	}
}

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
