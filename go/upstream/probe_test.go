package upstream

import (
	"context"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"

	"osp/go/stores"
)

// entryOf is an entry for the store at a URL.
func entryOf(t *testing.T, raw string) *stores.Bucket {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	b := &stores.Bucket{Name: "b", Remote: "b", Host: u.Hostname(), Port: port, TLS: u.Scheme == "https"}
	b.ConnectTimeout, b.VerifyTLS = 5*time.Second, true
	return b
}

func TestAStoreIsReachedAsCallsReachIt(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))

	trusted := entryOf(t, secure.URL)
	trusted.CA = ca
	unverified := entryOf(t, secure.URL)
	unverified.VerifyTLS = false
	// The certificate is for example.com and *.example.com: only the latter
	// fits where the bucket goes into the host.
	named := entryOf(t, secure.URL)
	named.CA, named.Host = ca, "localhost"
	for name, c := range map[string]struct {
		entry   *stores.Bucket
		up, tls bool
	}{
		"without TLS":              {entryOf(t, plain.URL), true, false},
		"with its authority":       {trusted, true, true},
		"without its authority":    {entryOf(t, secure.URL), false, true},
		"without verification":     {unverified, true, true},
		"by a name it is not for":  {named, false, true},
		"by TLS, though it has no": {func() *stores.Bucket { b := entryOf(t, plain.URL); b.TLS = true; return b }(), false, false},
	} {
		expires, err := Probe(t.Context(), c.entry)
		if (err == nil) != c.up {
			t.Errorf("%s: %v", name, err)
		}
		if want := secure.Certificate().NotAfter; c.tls && !expires.Equal(want) || !c.tls && !expires.IsZero() {
			t.Errorf("%s: the certificate ends %v, want %v", name, expires, want)
		}
	}
}

func TestAStoreThatDoesNotAnswerIsNotWaitedForLong(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // it accepts, and never shakes hands
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b := entryOf(t, "https://"+l.Addr().String())
	b.ConnectTimeout = 20 * time.Millisecond
	if _, err := Probe(context.Background(), b); err == nil {
		t.Error("it was reached")
	}
}

func TestBehindAProxyTheProxyIsReached(t *testing.T) {
	b := entryOf(t, "http://127.0.0.1:9")
	b.TrustEnv = true
	through, err := proxyOf(b, "127.0.0.1:9")
	if err != nil || through != "" { // the environment of tests names none, and loopback needs none
		t.Errorf("%q, %v", through, err)
	}
}
