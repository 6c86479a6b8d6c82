package shared

import (
	"crypto/sha256"
	"time"
)

// Revocation says what is void: all that is remembered about a token, a bucket,
// or both together; nil matches all. One with a role or a subject is about sessions
// alone, those of both if both are given.
type Revocation struct {
	Token, Bucket *string
	Role, Subject *string
	KeepSessions  bool      // it ends none
	At            time.Time // when it was made: sessions that were issued later go on
}

// OfSessions reports whether it ends sessions: one for a bucket does not.
func (r Revocation) OfSessions() bool { return r.Bucket == nil && !r.KeepSessions }

// OfIdentities reports whether it also ends what older identity tokens are good for: one of
// whoever they are about does.
func (r Revocation) OfIdentities() bool {
	return r.OfSessions() && (r.Subject != nil || r.Token != nil)
}

// OnlySessions reports whether it is about nothing else.
func (r Revocation) OnlySessions() bool { return r.Role != nil || r.Subject != nil }

// Revoked tells what any of several revocations is about, however many they are,
// so that a cache is gone through once.
type Revoked struct {
	all     bool
	tokens  map[tokenHash]struct{}
	buckets map[string]struct{}
	both    map[pair]struct{}
}

// tokenHash stands for a token, as in the caches.
type tokenHash = [sha256.Size]byte

type pair struct {
	token  tokenHash
	bucket string
}

// RevokedBy puts revocations together.
func RevokedBy(list []Revocation) *Revoked {
	r := &Revoked{tokens: map[tokenHash]struct{}{}, buckets: map[string]struct{}{}, both: map[pair]struct{}{}}
	for _, one := range list {
		switch {
		case one.OnlySessions():
		case one.Token == nil && one.Bucket == nil:
			r.all = true
		case one.Bucket == nil:
			r.tokens[sha256.Sum256([]byte(*one.Token))] = struct{}{}
		case one.Token == nil:
			r.buckets[*one.Bucket] = struct{}{}
		default:
			r.both[pair{sha256.Sum256([]byte(*one.Token)), *one.Bucket}] = struct{}{}
		}
	}
	return r
}

// About reports whether one of them is about what is remembered for a token, of
// which this is the hash, and a bucket.
func (r *Revoked) About(token [sha256.Size]byte, bucket string) bool {
	if r.all {
		return true
	}
	if len(r.tokens) > 0 {
		if _, ok := r.tokens[token]; ok {
			return true
		}
	}
	if len(r.buckets) > 0 {
		if _, ok := r.buckets[bucket]; ok {
			return true
		}
	}
	if len(r.both) > 0 {
		_, ok := r.both[pair{token, bucket}]
		return ok
	}
	return false
}
