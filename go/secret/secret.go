// Package secret has the types in which secret keys and tokens travel through the
// proxy: a Text, and a Value, which is one that compares. Neither shows its content by
// accident: fmt, slog and encoding/json print a placeholder, or an address where they
// look into a struct's unexported fields and call no method.
package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
	"unique"
)

const placeholder = "[redacted]"

// unshown is what prints instead of a secret. Being empty it takes no room where it is
// the first field.
type unshown struct{}

// Format implements fmt.Formatter with a placeholder for every verb.
func (unshown) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, placeholder) // fmt's own buffer accepts everything
}

// LogValue implements slog.LogValuer with a placeholder.
func (unshown) LogValue() slog.Value { return slog.StringValue(placeholder) }

// MarshalText keeps the secret out of JSON and every other text encoding.
func (unshown) MarshalText() ([]byte, error) { return []byte(placeholder), nil }

// Text is a secret string, such as clients show, or as is made or asked for one of
// them: there are as many as they like. The zero Text is empty. == does not compile for
// Texts; use Equal.
type Text struct {
	unshown
	_ [0]func() // which has no ==
	p *string   // of which reflection finds only an address; nil: empty
}

// NewText wraps s, and keeps what s is a part of in memory.
func NewText(s string) Text {
	if s == "" {
		return Text{}
	}
	return Text{p: &s}
}

// Reveal returns the secret itself, for the few places that sign with it or
// send it. Every call of Reveal is worth reviewing.
func (t Text) Reveal() string {
	if t.Empty() {
		return ""
	}
	return *t.p
}

// Empty reports whether there is no secret.
func (t Text) Empty() bool { return t.p == nil }

// Equal compares in a time that depends on no content and no length: both sides are
// hashed first, unless they are copies of one Text, which is no secret.
func (t Text) Equal(other Text) bool {
	if t.p == other.p {
		return true
	}
	a, b := sha256.Sum256([]byte(t.Reveal())), sha256.Sum256([]byte(other.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// Value is a secret string that its owner holds: Values are equal, by == and as keys of
// maps, if their contents are. For that each is kept in a table, which takes several
// times as long as making a Text. The zero Value is empty.
type Value struct {
	unshown
	// A handle is a pointer, of which reflection finds only an address. Empty
	// strings have none, so that they are the zero Value.
	h unique.Handle[string]
}

// New wraps s.
func New(s string) Value {
	if s == "" {
		return Value{}
	}
	return Value{h: unique.Make(s)}
}

// Reveal is as that of a Text.
func (v Value) Reveal() string {
	if v.Empty() {
		return ""
	}
	return v.h.Value()
}

// Empty reports whether there is no secret.
func (v Value) Empty() bool { return v == Value{} }

// Text is the same secret as a Text.
func (v Value) Text() Text { return NewText(v.Reveal()) }
