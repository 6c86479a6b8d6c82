// Package secret has the one type in which secret keys and tokens travel
// through the proxy. A Value never shows its content by accident: fmt, slog and
// encoding/json print a placeholder, or an address where they look into a
// struct's unexported fields and call no method.
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

// Value is a secret string. The zero Value is empty. Values are equal, by ==
// and as keys of maps, if their contents are; use Equal to compare with what a
// client sent.
type Value struct {
	// A handle is a pointer, of which reflection finds only an address. Empty
	// strings have none, so that they are the zero Value.
	h unique.Handle[string]
}

// New wraps s.
func New(s string) Value {
	if s == "" {
		return Value{}
	}
	return Value{unique.Make(s)}
}

// Reveal returns the secret itself, for the few places that sign with it or
// send it. Every call of Reveal is worth reviewing.
func (v Value) Reveal() string {
	if v.Empty() {
		return ""
	}
	return v.h.Value()
}

// Empty reports whether there is no secret.
func (v Value) Empty() bool { return v == Value{} }

// Equal compares in a time that depends on neither content nor length of v:
// both sides are hashed first.
func (v Value) Equal(other string) bool {
	a, b := sha256.Sum256([]byte(v.Reveal())), sha256.Sum256([]byte(other))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// Format implements fmt.Formatter with a placeholder for every verb.
func (v Value) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, placeholder) // fmt's own buffer accepts everything
}

// LogValue implements slog.LogValuer with a placeholder.
func (v Value) LogValue() slog.Value { return slog.StringValue(placeholder) }

// MarshalText keeps the secret out of JSON and every other text encoding.
func (v Value) MarshalText() ([]byte, error) { return []byte(placeholder), nil }
