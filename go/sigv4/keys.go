package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"hash/maphash"
	"sync/atomic"

	"osp/go/lru"
	"osp/go/secret"
)

// digest is a result of SHA-256 or HMAC-SHA256.
type digest [sha256.Size]byte

// signingKey is derived from a secret for one day, region and service. It is
// safe for concurrent use.
type signingKey struct {
	digest digest
	// spare is a signer that nobody uses. Package hmac keeps its state after the key in
	// each, so that a signature costs half of what it would with a new one. One is
	// enough: a key seldom signs twice at the same time, and most of those that were
	// given for a while never sign again, for which a sync.Pool each would be much.
	spare atomic.Pointer[signer]
}

// signer signs one message after another.
type signer struct {
	mac   hash.Hash
	block [256]byte // of the message: what is passed to a hash.Hash would escape to the heap
	sum   digest
}

func (k *signingKey) sign(message []byte) digest {
	s := k.spare.Swap(nil)
	if s == nil {
		s = &signer{mac: hmac.New(sha256.New, k.digest[:])}
	} else {
		s.mac.Reset()
	}
	for len(message) > 0 {
		n := copy(s.block[:], message)
		s.mac.Write(s.block[:n])
		message = message[n:]
	}
	s.mac.Sum(s.sum[:0])
	sum := s.sum
	k.spare.Store(s) // no longer this call's
	return sum
}

// keyCache keeps derived keys. The digest that identifies an entry covers the
// secret, so a changed secret never meets a key derived from the old one, and
// the cache keeps neither secrets nor the client's text in memory.
type keyCache struct {
	known *lru.Map[digest, *signingKey]
}

func newKeyCache(entries int) keyCache {
	return keyCache{lru.New[digest, *signingKey](entries, maphash.Comparable, nil)}
}

func (c keyCache) get(key secret.Text, cred credential) *signingKey {
	id := make([]byte, 0, 256)
	id = append(id, cred.scope...) // never contains a NUL
	id = append(id, 0)
	id = append(id, key.Reveal()...)
	sum := digest(sha256.Sum256(id))
	if k, ok := c.known.Get(sum); ok {
		return k
	}
	k := &signingKey{digest: deriveKey(key, cred)}
	c.known.Add(sum, k)
	return k
}

// deriveKey is the chain of HMACs from secret to signing key.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
func deriveKey(key secret.Text, cred credential) digest {
	k := sign([]byte("AWS4"+key.Reveal()), []byte(cred.date))
	k = sign(k[:], []byte(cred.region))
	k = sign(k[:], []byte(cred.service))
	return sign(k[:], []byte(terminator))
}

func sign(key, message []byte) digest {
	mac := hmac.New(sha256.New, key)
	mac.Write(message)
	return digest(mac.Sum(nil))
}
