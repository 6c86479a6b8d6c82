// Package stores holds the entries of cos_map: which store stands behind a
// client's bucket name, how it is reached, and how far it can be trusted to be
// S3. It reads no configuration, which package config does, and calls nobody.
package stores

import (
	"strconv"
	"time"

	"osp/go/limits"
	"osp/go/policy"
	"osp/go/seal"
	"osp/go/secret"
)

// Bucket is one entry of cos_map: a client's bucket name and its store.
//
// An entry may hold an HMAC pair and an API key at once; the pair wins.
type Bucket struct {
	Name   string // as clients say it; a pattern in an entry for many names
	Remote string // as the store says it
	Prefix string // of the keys that clients see, and that they don't say; empty, or ends with a slash

	Host         string // without port; IPv6 without brackets
	Port         int
	Region       string
	TLS          bool
	VirtualStyle bool // bucket in the host name; otherwise in the path

	Transport
	Dialect

	AccessKey string       // static HMAC credentials, or empty
	SecretKey secret.Value // goes with AccessKey
	APIKey    secret.Value // static IBM API key, or empty
	Role      RoleHandle   // assumed for the store's keys, of which the entry then has none; or none

	ReadOnly  bool           // whatever is not known to be a read is refused
	Anonymous bool           // reads without a signature go on to the policies and the validator, with an empty token
	Bearer    string         // role of who shows an identity token instead of a signature; empty: nobody may
	Policy    *policy.Policy // in addition to the one for all entries; nil: there is none

	Connections int // requests that are at the store at a time; 0: any number

	Limits *limits.EntryRules // nil: there are none but those for all entries

	TTL             time.Duration // of decisions and credentials; 0: no caching
	VerifyChecksums bool          // verify trailing checksums here and drop them, instead of forwarding

	Tokens seal.Key // seals what the store calls a place in a listing or an upload; none without Prefix

	entry *Bucket // of a name that a pattern matched: its entry
}

// Entry identifies the entry of cos_map that b comes from: the same pointer as
// long as nothing in it changed.
func (b *Bucket) Entry() *Bucket {
	if b.entry != nil {
		return b.entry
	}
	return b
}

// Renamed reports whether the store's names differ from the client's.
func (b *Bucket) Renamed() bool { return b.Remote != b.Name || b.Prefix != "" }

// TokenKey makes the key for Tokens out of this entry alone, so that replicas
// with the same configuration have the same one, and an update of other
// entries or of clients' keys leaves it as it is. An entry without secrets of
// its own has no more than its names to make it from: docs/security.md says
// what that means.
func (b *Bucket) TokenKey() seal.Key {
	if b.Prefix == "" {
		return seal.Key{}
	}
	pair := b.SecretKey
	if !b.Role.None() {
		pair = b.Role.Role().SecretKey
	}
	return seal.Derive("tokens of an entry with a folder", []secret.Value{pair, b.APIKey},
		b.Name, b.Host, strconv.Itoa(b.Port), b.Remote, b.Prefix)
}
