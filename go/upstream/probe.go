package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"osp/go/stores"
)

// Probe opens a connection to the store of an entry as calls do, up to the end of
// the TLS handshake, and closes it. It returns when the first certificate in the
// store's chain expires, or has expired, even if there is an error; zero without
// TLS. No request is sent. With trust_env it may be a proxy that is probed.
func Probe(ctx context.Context, b *stores.Bucket) (expires time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, b.ConnectTimeout)
	defer cancel()
	address := net.JoinHostPort(b.Host, strconv.Itoa(b.Port))
	through, err := proxyOf(b, address)
	if err != nil {
		return time.Time{}, err
	}
	if through != "" {
		address = through
	}
	conn, err := (&dialer{}).dial(ctx, "tcp", address)
	if err != nil {
		return time.Time{}, err
	}
	defer conn.Close()
	if !b.TLS || through != "" {
		return time.Time{}, nil
	}
	secure, err := tlsConfig(b.Transport)
	if err != nil {
		return time.Time{}, err
	}
	// The chain is verified below, so that its expiry is known even if that fails.
	secure.InsecureSkipVerify, secure.ServerName, secure.ClientSessionCache = true, b.Host, nil
	client := tls.Client(conn, secure)
	if err := client.HandshakeContext(ctx); err != nil {
		return time.Time{}, err
	}
	chain := client.ConnectionState().PeerCertificates
	for _, c := range chain {
		if expires.IsZero() || c.NotAfter.Before(expires) {
			expires = c.NotAfter
		}
	}
	if !b.VerifyTLS {
		return expires, nil
	}
	return expires, verifyChain(chain, secure.RootCAs, b)
}

// verifyChain verifies what crypto/tls would. A store that takes the bucket in its
// host name may have a certificate for such names only.
func verifyChain(chain []*x509.Certificate, roots *x509.CertPool, b *stores.Bucket) error {
	options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, c := range chain[1:] {
		options.Intermediates.AddCert(c)
	}
	if _, err := chain[0].Verify(options); err != nil {
		return err
	}
	err := chain[0].VerifyHostname(b.Host)
	if err != nil && b.VirtualStyle && chain[0].VerifyHostname("bucket."+b.Host) == nil {
		return nil
	}
	return err
}

// proxyOf returns the address of the proxy through which a store is reached; empty
// if there is none.
func proxyOf(b *stores.Bucket, address string) (string, error) {
	if !b.TrustEnv {
		return "", nil
	}
	scheme, port := "http", "80"
	if b.TLS {
		scheme = "https"
	}
	through, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: scheme, Host: address}})
	switch {
	case err != nil:
		return "", errors.New("the environment names no usable proxy") // err may quote its password
	case through == nil:
		return "", nil
	case through.Port() != "":
		port = through.Port()
	case through.Scheme == "https":
		port = "443"
	}
	return net.JoinHostPort(through.Hostname(), port), nil
}
