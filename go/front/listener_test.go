package front

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"testing"
	"time"
)

func listen(t *testing.T, limit int, config *tls.Config) *Listener {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Listen(inner, Options{Limit: limit, TLS: config, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func dial(t *testing.T, l *Listener) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func newPair(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func serverTLS(t *testing.T) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{newPair(t)}, NextProtos: []string{"h2", "http/1.1"}}
}

func TestConnectionsBeyondTheLimitWait(t *testing.T) {
	l := listen(t, 1, nil)
	dial(t, l)
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	dial(t, l)
	second := make(chan net.Conn)
	go func() {
		conn, _ := l.Accept()
		second <- conn
	}()
	select {
	case <-second:
		t.Fatal("a second connection came in beside the first")
	case <-time.After(50 * time.Millisecond): // nothing can be awaited that must not happen
	}
	_ = first.Close()
	_ = first.Close() // gives its place back once
	if conn := <-second; conn == nil {
		t.Error("no connection came after the first had gone")
	}
}

func TestTLSAgreesOnTheProtocol(t *testing.T) {
	l := listen(t, 10, serverTLS(t))
	for _, c := range []struct {
		offer []string
		h2    bool
	}{{[]string{"h2", "http/1.1"}, true}, {[]string{"http/1.1"}, false}, {nil, false}} {
		go func() {
			conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: c.offer})
			if err == nil {
				_, _ = io.ReadAll(conn)
				_ = conn.Close()
			}
		}()
		accept := l.Accept
		if c.h2 {
			accept = l.HTTP2().Accept
		}
		conn, err := accept()
		if err != nil {
			t.Fatal(err)
		}
		if agreed := conn.(interface{ ConnectionState() tls.ConnectionState }).ConnectionState().NegotiatedProtocol; (agreed == "h2") != c.h2 {
			t.Errorf("offered %v, got %s", c.offer, agreed)
		}
		_ = conn.Close()
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	l := listen(t, 10, serverTLS(t))
	_, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}

func TestAClientThatDoesNotShakeHandsHoldsUpNobody(t *testing.T) {
	l := listen(t, 10, serverTLS(t))
	dial(t, l) // says nothing
	go func() {
		conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err == nil {
			_ = conn.Close()
		}
	}()
	if _, err := l.Accept(); err != nil {
		t.Error(err)
	}
}

func TestAHandshakeThatPanicsEndsItsConnectionOnly(t *testing.T) {
	config := serverTLS(t)
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { panic("a bug") }
	l := listen(t, 1, config)
	for range 2 { // each gets the only place there is
		if _, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true}); err == nil {
			t.Error("hands were shaken")
		}
	}
}

func TestAClosedListenerAcceptsNobody(t *testing.T) {
	l := listen(t, 10, nil)
	accepted := make(chan error)
	go func() {
		_, err := l.Accept()
		accepted <- err
	}()
	for _, server := range []net.Listener{l, l.HTTP2()} {
		if err := server.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	}
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := l.HTTP2().Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("for HTTP/2: %v", err)
	}
}
