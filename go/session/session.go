// Package session makes temporary keys and knows them again. What a key says about
// its holder, a Session, is sealed in the session token that comes with it, and the
// secret key follows from that token, so nothing is stored: every replica that has the
// keyring opens what another one has issued. The package decides nothing: who gets a
// session, what it may do and whether it was revoked is for others to say.
package session

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"time"
)

// Longest is how long a session may last: that of AWS's GetSessionToken.
const Longest = 36 * time.Hour

// mostFrom is how long a chain of sessions may be that were made one from another.
const mostFrom = 8

// ErrFrom is for who would make a chain of sessions longer.
var ErrFrom = errors.New("the session was made from as many others as it may be")

// MostPolicies is how many policies may narrow one session.
const MostPolicies = 3

// Session is what a temporary key says about its holder. It must not change once it
// was issued or opened.
type Session struct {
	Role            string              // empty: none
	Configured      bool                // Role is one of the configuration's: the session ends with it
	Name            string              // chosen by whoever asked for the session
	Token           string              // as which the callbacks, policies and limits see the holder; never the access key
	Issuer, Subject string              // of the identity token that was given for it; empty: there was none
	Claims          map[string][]string // of that token, those that are passed on
	Tags            map[string]string
	SourceIdentity  string
	Policies        []string // JSON; each narrows
	AccessKey       string
	Issued, Expires time.Time // in whole microseconds

	// What else ends it: nothing of this changes when a session is made from another.
	Since  time.Time // when its holder was proven; zero: when it was issued
	From   []string  // access keys of the sessions from which it was made, the first one first
	Caller string    // access key of who signed for the first of them; empty: nobody did
	Pair   string    // stands for the key pair with which Caller signed; empty: it was none of the keystore
	Named  bool      // Name is the owner's choice

	digest [sha256.Size]byte // of an opened session: see Digest
}

// Again returns a session to be issued for the holder of this one, which it does not
// outlive: what ends this one ends that one, too. Its error is ErrFrom.
func (s *Session) Again() (Session, error) {
	if len(s.From) >= mostFrom {
		return Session{}, ErrFrom
	}
	again := *s
	again.From = append(slices.Clone(s.From), s.AccessKey)
	again.AccessKey, again.Issued, again.digest = "", time.Time{}, [sha256.Size]byte{}
	return again, nil
}

// Digest stands for all that a callback sees of a session, and for its policies. No
// two sessions have the same.
func (s *Session) Digest() [sha256.Size]byte {
	if s.digest != [sha256.Size]byte{} {
		return s.digest
	}
	return sha256.Sum256(s.appendFields(nil))
}

// appendFields writes a session in such a way that no other one gives the same bytes.
func (s *Session) appendFields(b []byte) []byte {
	b = appendText(appendBool(appendBool(b, s.Configured), s.Named), s.AccessKey)
	b = binary.AppendVarint(b, s.Issued.UnixMicro())
	b = binary.AppendVarint(b, s.Expires.UnixMicro())
	b = binary.AppendVarint(b, s.Since.UnixMicro())
	b = appendTexts(b, s.From)
	for _, text := range s.texts() {
		b = appendText(b, *text)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Claims)))
	for _, name := range slices.Sorted(maps.Keys(s.Claims)) {
		b = appendTexts(appendText(b, name), s.Claims[name])
	}
	b = binary.AppendUvarint(b, uint64(len(s.Tags)))
	for _, name := range slices.Sorted(maps.Keys(s.Tags)) {
		b = appendText(appendText(b, name), s.Tags[name])
	}
	return appendPolicies(b, s.Policies)
}

// texts are the fields that are a text each, in the order in which they are written.
func (s *Session) texts() []*string {
	return []*string{&s.Role, &s.Name, &s.Token, &s.Issuer, &s.Subject, &s.SourceIdentity, &s.Caller, &s.Pair}
}
