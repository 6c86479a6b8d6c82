package upstream

import (
	"hash/maphash"
	"sync"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"osp/go/lru"
	"osp/go/secret"
)

// signers has signers for each secret key. The SDK's signer caches the key that
// it derives from a secret by access key, region and day. That is right for AWS,
// where an access key never gets another secret, and wrong for two stores that both
// call their key "admin", and for a secret that was replaced.
//
// That cache has a lock, so requests that are signed at the same time have a signer
// each.
type signers struct {
	known *lru.Map[secret.Value, *sync.Pool]
}

func newSigners() signers {
	hash := func(seed maphash.Seed, key secret.Value) uint64 { return maphash.String(seed, key.Reveal()) }
	return signers{lru.New[secret.Value, *sync.Pool](4096, hash, nil)}
}

// of returns the signers of a secret key, each a *v4.Signer.
func (s signers) of(key secret.Value) *sync.Pool {
	if signers, ok := s.known.Get(key); ok {
		return signers
	}
	signers := &sync.Pool{New: func() any {
		return v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	}}
	s.known.Add(key, signers)
	return signers
}
