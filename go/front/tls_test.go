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
	shows := &certificate{from: &config.TLS{Cert: files.cert, Key: files.key}, log: slog.New(slog.NewTextHandler(&log, nil))}
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
	shows := &certificate{from: &config.TLS{Cert: files.cert, Key: files.key}, log: slog.New(slog.DiscardHandler), every: time.Hour}
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
