package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"

	lru "github.com/hashicorp/golang-lru/v2"

	"osp/go/secret"
)

// signingKey is derived from a secret for one day, region and service.
type signingKey [sha256.Size]byte

// keyCache keeps derived keys. The digest that identifies an entry covers the
// secret, so a secret that changed never meets a key derived from the old one,
// and neither secrets nor the client's text stay in memory on its account.
type keyCache struct {
	lru *lru.Cache[[sha256.Size]byte, signingKey]
}

func newKeyCache(entries int) keyCache {
	c, err := lru.New[[sha256.Size]byte, signingKey](entries)
	if err != nil {
		panic(err) // for sizes below one only, which New rules out
	}
	return keyCache{c}
}

func (c keyCache) get(key secret.Value, cred credential) signingKey {
	id := make([]byte, 0, 256)
	id = append(id, cred.scope...) // never holds a NUL
	id = append(id, 0)
	id = append(id, key.Reveal()...)
	sum := sha256.Sum256(id)
	if k, ok := c.lru.Get(sum); ok {
		return k
	}
	k := deriveKey(key, cred)
	c.lru.Add(sum, k)
	return k
}

// deriveKey is the chain of HMACs from secret to signing key.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
func deriveKey(key secret.Value, cred credential) signingKey {
	k := sign([]byte("AWS4"+key.Reveal()), []byte(cred.date))
	k = sign(k[:], []byte(cred.region))
	k = sign(k[:], []byte(service))
	return sign(k[:], []byte(terminator))
}

func sign(key, message []byte) signingKey {
	mac := hmac.New(sha256.New, key)
	mac.Write(message)
	var sum signingKey
	mac.Sum(sum[:0])
	return sum
}
