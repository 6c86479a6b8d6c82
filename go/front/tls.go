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

// TLS returns the configuration for a Listener: TLS 1.2 or newer, HTTP/1.1 or, if it
// is wanted, HTTP/2, and the certificate that is in the files at the time of a handshake.
func TLS(t *config.TLS, http2 bool, log *slog.Logger) *tls.Config {
	shown := &reloadingCertificate{from: t, log: log, every: checkEvery}
	shown.current.Store(t.Certificate)
	secure := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		CipherSuites:   suites,
		GetCertificate: shown.get,
		NextProtos:     []string{"http/1.1"},
		// Starting with small records would save browsers some milliseconds on slow
		// lines; here it would halve the speed of an object of 100 KiB.
		DynamicRecordSizingDisabled: true,
	}
	if http2 {
		secure.NextProtos = []string{"h2", "http/1.1"}
	}
	if t.ClientCAs != nil {
		secure.ClientAuth, secure.ClientCAs = tls.RequireAndVerifyClientCert, t.ClientCAs
	}
	return secure
}

// checkEvery is the least time between two checks of the files.
const checkEvery = time.Second

// reloadingCertificate is a certificate whose files may change. It keeps the last one
// that was valid.
type reloadingCertificate struct {
	from    *config.TLS
	log     *slog.Logger
	current atomic.Pointer[tls.Certificate]

	checking sync.Mutex // guards what follows
	every    time.Duration
	checked  time.Time
	seen     [2]os.FileInfo // of the files when they were last read; nil: a missing file
}

// get is for tls.Config.GetCertificate.
func (c *reloadingCertificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c.checking.TryLock() { // no handshake waits for another's check
		defer c.checking.Unlock()
		if now := time.Now(); now.Sub(c.checked) >= c.every {
			c.checked = now
			c.reload()
		}
	}
	return c.current.Load(), nil
}

// reload reads the files if they have changed. It notes their state before it reads
// them: a change in between is seen the next time.
func (c *reloadingCertificate) reload() {
	now := [2]os.FileInfo{statOrNil(c.from.Cert), statOrNil(c.from.Key)}
	if sameFile(now[0], c.seen[0]) && sameFile(now[1], c.seen[1]) {
		return
	}
	c.seen = now
	pair, err := c.from.Load()
	if err != nil {
		c.log.Error("the certificate's files have changed, but can't be used; the old certificate stays in use", "error", err)
		return
	}
	if old := c.current.Swap(pair); !bytes.Equal(old.Certificate[0], pair.Certificate[0]) {
		c.log.Info("the certificate has been replaced")
	}
}

func statOrNil(path string) os.FileInfo {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	return info
}

func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
