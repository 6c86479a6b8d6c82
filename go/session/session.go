// Package session makes temporary keys and knows them again. What a key says about
// its holder, a Session, is sealed in the session token that comes with it, and the
// secret key follows from that token, so nothing is stored: every replica that has the
// keyring opens what another one has issued. The package decides nothing: who gets a
// session, what it may do and whether it was revoked is for others to say.
package session

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"time"
)

// Longest is how long a session may last: that of AWS's GetSessionToken.
const Longest = 36 * time.Hour

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

	digest [sha256.Size]byte // of an opened session: see Digest
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
	configured := byte(0)
	if s.Configured {
		configured = 1
	}
	b = appendText(append(b, configured), s.AccessKey)
	b = binary.AppendVarint(b, s.Issued.UnixMicro())
	b = binary.AppendVarint(b, s.Expires.UnixMicro())
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
	return []*string{&s.Role, &s.Name, &s.Token, &s.Issuer, &s.Subject, &s.SourceIdentity}
}
