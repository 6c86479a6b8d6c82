package upstream

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"osp/go/callbacks"
	"osp/go/h1"
	"osp/go/sigv4"
	"osp/go/stores"
)

// What one hop verifies the next has to verify, too: whatever value a client has
// signed, the request that goes to the store carries one that the SDK's signer
// and the rules for clients canonicalise alike.
func TestEveryValueIsSignedAsItIsVerified(t *testing.T) {
	c, verifier := New(), sigv4.New(sigv4.Options{})
	b := &stores.Bucket{Name: "b", Remote: "b", Host: "s3.example", Port: 80}
	pieces := []string{"a", "B", " ", "  ", "\t", " \t ", ",", ", ", "\"x  y\"", "\u00a0", "\u2003", "\u0085", "é", "\xff", "=", ";", "%20", "+"}
	random := rand.New(rand.NewPCG(2026, 11))
	for range 3000 {
		header := http.Header{}
		for _, name := range []string{"X-Amz-Meta-A", "Content-Type", "X-Amz-Tagging"} {
			for range random.IntN(3) {
				var value strings.Builder
				for range random.IntN(6) {
					value.WriteString(pieces[random.IntN(len(pieces))])
				}
				// Ends as the parser of HTTP leaves them.
				if text := strings.Trim(value.String(), " \t"); h1.IsValue(text) {
					header.Add(name, text)
				}
			}
		}
		call := &Call{Bucket: b, Creds: pair, Method: "PUT", Key: "k", Header: header, PayloadHash: UnsignedPayload}
		req := newRequest(t.Context(), call, c.regions.of(b))
		if err := c.authorize(req, call, "us-east-1"); err != nil {
			t.Fatal(err)
		}
		signed, err := sigv4.Parse(&sigv4.Request{Method: "PUT", RawPath: "/b/k", Hosts: []string{req.Host}, Header: req.Header, ContentLength: -1})
		if err != nil {
			t.Fatalf("%q: %v", header, err)
		}
		if _, err := verifier.Verify(signed, callbacks.Secret{Key: pair.SecretKey.Text()}); err != nil {
			t.Fatalf("%q became %q: %v", header, req.Header, err)
		}
	}
}
