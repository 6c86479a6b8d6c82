// Package servingtest is what the tests of both servers share.
package servingtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"sync"
	"time"
)

// TLS makes a listener shake hands before it lets anybody in, as package front does.
// Its certificate is for 127.0.0.1, and nobody vouches for it.
func TLS(l net.Listener, protocols ...string) net.Listener {
	return handshaken{l, &tls.Config{Certificates: []tls.Certificate{certificate()}, NextProtos: protocols}}
}

type handshaken struct {
	net.Listener
	config *tls.Config
}

// Accept implements net.Listener.
func (l handshaken) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	secure := tls.Server(conn, l.config)
	return secure, secure.Handshake()
}

var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})
