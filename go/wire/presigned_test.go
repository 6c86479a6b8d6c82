package wire

import (
	"net/textproto"
	"strings"
	"testing"
)

func TestSignatureParametersHaveOneSpelling(t *testing.T) {
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Security-Token", "X-Amz-Content-Sha256"} {
		if !IsSignature(name) || IsSignature(strings.ToLower(name)) {
			t.Errorf("%s: %v, in small letters %v", name, IsSignature(name), IsSignature(strings.ToLower(name)))
		}
	}
	for _, name := range []string{"", "X-Amz-Meta-A", textproto.CanonicalMIMEHeaderKey("X-Amz-SignedHeaders"), "Signature"} {
		if IsSignature(name) {
			t.Errorf("%q belongs to a signature", name)
		}
	}
}
