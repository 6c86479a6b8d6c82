package front

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"osp/go/config"
)

// suites are those of TLS 1.2 with forward secrecy and AEAD, the recommended
// ones of RFC 9325 section 4.2 and ChaCha20 (RFC 7905). TLS 1.3 has no others.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// TLS returns the configuration of a front: TLS 1.2 or newer, HTTP/2 or
// HTTP/1.1, and the certificate that the files hold at the time.
func TLS(t *config.TLS, log *slog.Logger) *tls.Config {
	shown := &certificate{from: t, log: log, every: checkEvery}
	shown.current.Store(t.Certificate)
	secure := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		CipherSuites:   suites,
		GetCertificate: shown.get,
		NextProtos:     []string{"h2", "http/1.1"},
		// Small records first would spare browsers some milliseconds on slow
		// lines; here they cost an object of 100 KiB half of its speed.
		DynamicRecordSizingDisabled: true,
	}
	if t.ClientCAs != nil {
		secure.ClientAuth, secure.ClientCAs = tls.RequireAndVerifyClientCert, t.ClientCAs
	}
	return secure
}

// checkEvery is how often handshakes look at the files, at most.
const checkEvery = time.Second

// certificate is a pair whose files may change. It keeps the last one that was
// good.
type certificate struct {
	from    *config.TLS
	log     *slog.Logger
	current atomic.Pointer[tls.Certificate]

	looking sync.Mutex // guards what follows
	every   time.Duration
	looked  time.Time
	seen    [2]os.FileInfo // of what was read last; nil: a file that is not there
}

// get is for tls.Config.GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c.looking.TryLock() { // nobody waits for another's look at the files
		defer c.looking.Unlock()
		if now := time.Now(); now.Sub(c.looked) >= c.every {
			c.looked = now
			c.look()
		}
	}
	return c.current.Load(), nil
}

// look reads the files if they are others than those that were seen last. It
// notes them before it reads: a change in between is seen the next time.
func (c *certificate) look() {
	now := [2]os.FileInfo{stat(c.from.Cert), stat(c.from.Key)}
	if same(now[0], c.seen[0]) && same(now[1], c.seen[1]) {
		return
	}
	c.seen = now
	pair, err := c.from.Load()
	if err != nil {
		c.log.Error("the certificate's files have changed, but can't be used; the old certificate stays", "error", err)
		return
	}
	if old := c.current.Swap(pair); !bytes.Equal(old.Certificate[0], pair.Certificate[0]) {
		c.log.Info("the certificate has been replaced")
	}
}

func stat(path string) os.FileInfo {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	return info
}

func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
