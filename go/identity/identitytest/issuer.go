// Package identitytest has an issuer of identity tokens for tests, which signs whatever
// it is told to, and whose answers can be anything.
package identitytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// Issuer is one that listens on a loopback address.
type Issuer struct {
	URL    string
	Server *httptest.Server
	Asked  atomic.Int32 // requests for its keys

	mu   sync.Mutex
	keys []jose.JSONWebKey
	// serveKeys answers requests for keys in place of the issuer; nil: nobody does.
	serveKeys http.HandlerFunc
}

// New starts an issuer with one key, "first", which ends with the test.
func New(t testing.TB) *Issuer {
	i := &Issuer{}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys"})
	})
	mux.HandleFunc("/keys", i.handleKeys)
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Server.Close)
	i.URL = i.Server.URL
	i.Publish(Key(t, "first"))
	return i
}

func (i *Issuer) handleKeys(w http.ResponseWriter, r *http.Request) {
	i.Asked.Add(1)
	i.mu.Lock()
	serve := i.serveKeys
	i.mu.Unlock()
	if serve != nil {
		serve(w, r)
		return
	}
	_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: i.PublicKeys()})
}

// Publish replaces the issuer's keys.
func (i *Issuer) Publish(keys ...jose.JSONWebKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = keys
}

// PrivateKeys are those that are published.
func (i *Issuer) PrivateKeys() []jose.JSONWebKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.keys)
}

// PublicKeys are what the issuer says they are.
func (i *Issuer) PublicKeys() []jose.JSONWebKey {
	keys := i.PrivateKeys()
	for n := range keys {
		keys[n] = keys[n].Public()
	}
	return keys
}

// Serve has a handler answer requests for keys; nil: the issuer itself.
func (i *Issuer) Serve(handler http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.serveKeys = handler
}

// Token signs claims by the issuer's first key.
func (i *Issuer) Token(t testing.TB, claims map[string]any) string {
	return Sign(t, i.PrivateKeys()[0], claims)
}

// Key makes a private key for ES256.
func Key(t testing.TB, id string) jose.JSONWebKey {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: private, KeyID: id, Algorithm: string(jose.ES256), Use: "sig"}
}

// Sign makes a token of claims, by a private key and the algorithm that it names.
func Sign(t testing.TB, key jose.JSONWebKey, claims map[string]any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return SignBytes(t, key, payload, nil)
}

// SignBytes makes a token of any payload, with these fields in its header.
func SignBytes(t testing.TB, key jose.JSONWebKey, payload []byte, header map[jose.HeaderKey]any) string {
	options := &jose.SignerOptions{ExtraHeaders: header}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
