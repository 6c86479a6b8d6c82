package front

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func listen(t *testing.T, limit int, config *tls.Config) net.Listener {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Listen(inner, limit, config)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func dial(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func certificate(t *testing.T) tls.Certificate {
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
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate(t)}, NextProtos: []string{"h2", "http/1.1"}}
}

func TestAmbiguousRequestsGetNoAnswerOfTheHandler(t *testing.T) {
	l := listen(t, 10, nil)
	paths := make(chan string, 10)
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { paths <- r.URL.Path })}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })

	conn := dial(t, l)
	if _, err := io.WriteString(conn, "GET /sound HTTP/1.1\r\nHost: a\r\n\r\nPUT /smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answers, _ := io.ReadAll(conn)
	if n := strings.Count(string(answers), "HTTP/1.1 200"); n != 1 {
		t.Errorf("%d good answers in %q", n, answers)
	}
	if got := <-paths; got != "/sound" || len(paths) > 0 {
		t.Errorf("the handler saw %s and %d more", got, len(paths))
	}
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
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, isTLS := conn.(*tls.Conn); isTLS != c.h2 {
			t.Errorf("offered %v, got a %T", c.offer, conn)
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

func TestAClosedListenerAcceptsNobody(t *testing.T) {
	l := listen(t, 10, nil)
	accepted := make(chan error)
	go func() {
		_, err := l.Accept()
		accepted <- err
	}()
	_ = l.Close()
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestCheckRefusesWhatHTTP2LetsPass(t *testing.T) {
	sound := func() *http.Request {
		return &http.Request{Host: "a", ContentLength: 4, Header: http.Header{"Content-Length": {"4"}, "X": {"a b", ""}}}
	}
	if err := Check(sound()); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*http.Request){
		"a leading space":       func(r *http.Request) { r.Header.Set("X", " a") },
		"a trailing tab":        func(r *http.Request) { r.Header["X"] = []string{"b", "a\t"} },
		"a wrong length":        func(r *http.Request) { r.Header.Set("Content-Length", "5") },
		"a length without body": func(r *http.Request) { r.ContentLength = 0 },
		"two lengths":           func(r *http.Request) { r.Header["Content-Length"] = []string{"4", "4"} },
		"a padded length":       func(r *http.Request) { r.Header.Set("Content-Length", "04") },
		"another host":          func(r *http.Request) { r.Header.Set("Host", "b") },
	} {
		r := sound()
		spoil(r)
		if err := Check(r); !errors.Is(err, ErrFraming) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
