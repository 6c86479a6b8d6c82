package front

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"osp/go/config"
)

// pemFiles are the files of a pair.
type pemFiles struct {
	t         *testing.T
	cert, key string
}

func newFiles(t *testing.T) pemFiles {
	return pemFiles{t, filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")}
}

// hold puts a certificate and a key into the files.
func (f pemFiles) hold(cert, key tls.Certificate) {
	f.t.Helper()
	private, err := x509.MarshalPKCS8PrivateKey(key.PrivateKey)
	if err != nil {
		f.t.Fatal(err)
	}
	f.replace(f.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}))
	f.replace(f.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

// replace renames a new file over the old one, as those do who renew certificates.
func (f pemFiles) replace(path string, content []byte) {
	f.t.Helper()
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		f.t.Fatal(err)
	}
}

// shown is the certificate that a server shows over a new connection.
func shown(t *testing.T, l *Listener) []byte {
	t.Helper()
	conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Raw
}

// echo sends back what connections say.
func echo(l *Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() { _, _ = io.Copy(conn, conn) }()
	}
}

func TestACertificateThatIsReplacedCountsForNewConnections(t *testing.T) {
	first, second, third := newPair(t), newPair(t), newPair(t)
	files := newFiles(t)
	files.hold(first, first)
	var log bytes.Buffer
	shows := &reloadingCertificate{from: &config.TLS{Cert: files.cert, Key: files.key}, log: slog.New(slog.NewTextHandler(&log, nil))}
	shows.current.Store(&first)
	l := listen(t, 10, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: shows.get})
	go echo(l)
	is := func(want tls.Certificate, when string) {
		t.Helper()
		if !bytes.Equal(shown(t, l), want.Certificate[0]) {
			t.Errorf("%s: another certificate is shown", when)
		}
	}
	is(first, "at the start")
	old, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()

	files.hold(second, second)
	is(second, "after a change")
	_ = old.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := old.Write([]byte("still")); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(old, make([]byte, 5)); err != nil {
		t.Errorf("the connection from before: %v", err)
	}

	for name, spoil := range map[string]func(){
		"half of the pair":   func() { files.hold(third, second) },
		"no certificate":     func() { files.replace(files.cert, []byte("later")) },
		"a file that is not": func() { _ = os.Remove(files.key) },
	} {
		log.Reset()
		spoil()
		is(second, name)
		is(second, name)
		if n := strings.Count(log.String(), "the old certificate stays"); n != 1 {
			t.Errorf("%s was told %d times: %s", name, n, log.String())
		}
	}
	files.hold(third, third)
	is(third, "after it was good again")
}

func TestTheFilesAreNotLookedAtForEachHandshake(t *testing.T) {
	first, second := newPair(t), newPair(t)
	files := newFiles(t)
	files.hold(first, first)
	shows := &reloadingCertificate{from: &config.TLS{Cert: files.cert, Key: files.key}, log: slog.New(slog.DiscardHandler), every: time.Hour}
	shows.current.Store(&first)
	for range 2 {
		got, err := shows.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Certificate[0], first.Certificate[0]) {
			t.Error("it looked again before the time")
		}
		files.hold(second, second)
	}
}

func TestWeakSuitesAreRefused(t *testing.T) {
	pair := newPair(t)
	files := newFiles(t)
	files.hold(pair, pair)
	l := listen(t, 10, TLS(&config.TLS{Cert: files.cert, Key: files.key, Certificate: &pair}, true, slog.New(slog.DiscardHandler)))
	go echo(l)
	for suite, accepted := range map[uint16]bool{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:       true,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: true,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA:          false,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA:          false,
	} {
		conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}})
		if (err == nil) != accepted {
			t.Errorf("%s: %v", tls.CipherSuiteName(suite), err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}

func TestClientsMustShowACertificateOfTheAuthority(t *testing.T) {
	server, client, stranger := newPair(t), newPair(t), newPair(t)
	files := newFiles(t)
	files.hold(server, server)
	authorities := x509.NewCertPool()
	authorities.AddCert(parsed(t, client))
	l := listen(t, 10, TLS(&config.TLS{Cert: files.cert, Key: files.key, Certificate: &server, ClientCAs: authorities}, true, slog.New(slog.DiscardHandler)))
	go echo(l)
	for _, c := range []struct {
		name     string
		shows    *tls.Certificate
		accepted bool
	}{{"one of the authority", &client, true}, {"one of another", &stranger, false}, {"none", &tls.Certificate{}, false}} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			config := &tls.Config{InsecureSkipVerify: true, MaxVersion: version, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return c.shows, nil
			}}
			if err := echoes(l, config); (err == nil) != c.accepted {
				t.Errorf("%s, %s: %v", tls.VersionName(version), c.name, err)
			}
		}
	}
}

func parsed(t *testing.T, pair tls.Certificate) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// echoes reports what is wrong with a connection, if anything. A client of TLS
// 1.3 learns that it was refused when it reads.
func echoes(l *Listener, config *tls.Config) error {
	conn, err := tls.Dial("tcp", l.Addr().String(), config)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Write([]byte("a")); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, make([]byte, 1))
	return err
}
