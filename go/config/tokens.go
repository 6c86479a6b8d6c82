package config

import (
	"strconv"

	"osp/go/seal"
	"osp/go/secret"
)

// tokenKey makes the key for Tokens out of this entry alone, so that replicas
// with the same configuration have the same one, and an update of other
// entries or of clients' keys leaves it as it is. An entry without secrets of
// its own has no more than its names to make it from: docs/security.md says
// what that means.
func (b *Bucket) tokenKey() seal.Key {
	if b.Prefix == "" {
		return seal.Key{}
	}
	return seal.Derive("tokens of an entry with a folder", []secret.Value{b.SecretKey, b.APIKey},
		b.Name, b.Host, strconv.Itoa(b.Port), b.Remote, b.Prefix)
}
