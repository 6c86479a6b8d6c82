package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"osp/go/callbacks"
	"osp/go/secret"
)

func TestAKeyForAWhileIsToldFromOneThatStays(t *testing.T) {
	end := time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		by        callbacks.Secret
		until     time.Time
		temporary bool
	}{
		"for good":      {callbacks.Secret{Key: secret.NewText("s")}, time.Time{}, false},
		"until":         {callbacks.Secret{Key: secret.NewText("s"), Expires: end}, end, true},
		"by a token":    {callbacks.Secret{Key: secret.NewText("s"), SessionToken: secret.NewText("t")}, time.Time{}, true},
		"both of these": {callbacks.Secret{Key: secret.NewText("s"), SessionToken: secret.NewText("t"), Expires: end}, end, true},
	} {
		signed, err := Parse(signedBy(t, c.by))
		if err != nil {
			t.Fatal(err)
		}
		r, err := New(Options{}).Verify(signed, c.by)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if until, temporary := r.Temporary(); !until.Equal(c.until) || temporary != c.temporary {
			t.Errorf("%s: %v until %v", name, temporary, until)
		}
	}
	if until, temporary := (*VerifiedRequest)(nil).Temporary(); temporary || !until.IsZero() {
		t.Error("nobody's key is one for a while")
	}
}

// signedBy is a request as the SDK signs it with a key.
func signedBy(t *testing.T, by callbacks.Secret) *Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://store.example/b/k", nil)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(nil)
	hash := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", hash)
	keys := aws.Credentials{AccessKeyID: "AK", SecretAccessKey: by.Key.Reveal(), SessionToken: by.SessionToken.Reveal()}
	if err := v4.NewSigner().SignHTTP(t.Context(), keys, req, hash, "s3", "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	return &Request{Method: req.Method, RawPath: "/b/k", Hosts: []string{"store.example"}, Header: req.Header}
}
