package upstream

import (
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	lru "github.com/hashicorp/golang-lru/v2"

	"osp/go/secret"
)

// signers has one signer for each secret key. The SDK's signer caches the key that
// it derives from a secret by access key, region and day. That is right for AWS,
// where an access key never gets another secret, and wrong for two stores that both
// call their key "admin", and for a secret that was replaced.
type signers struct {
	known *lru.Cache[secret.Value, *v4.Signer]
}

func newSigners() signers {
	known, err := lru.New[secret.Value, *v4.Signer](4096)
	if err != nil {
		panic(err) // a size below one, which it is not
	}
	return signers{known}
}

func (s signers) of(key secret.Value) *v4.Signer {
	if signer, ok := s.known.Get(key); ok {
		return signer
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	s.known.Add(key, signer)
	return signer
}
