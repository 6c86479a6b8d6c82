// Package secret holds the one type in which secret keys and tokens travel
// through the proxy. A Value never shows its content by accident: fmt, slog
// and encoding/json all print a placeholder.
package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
)

const placeholder = "[redacted]"

// Value is a secret string. The zero Value is empty.
type Value struct{ s string }

// New wraps s.
func New(s string) Value { return Value{s} }

// Reveal returns the secret itself, for the few places that sign with it or
// send it. Every call of Reveal is a place worth reviewing.
func (v Value) Reveal() string { return v.s }

// Empty reports whether there is no secret at all.
func (v Value) Empty() bool { return v.s == "" }

// Equal compares in a time that depends on neither content nor length of v:
// both sides are hashed first.
func (v Value) Equal(other string) bool {
	a, b := sha256.Sum256([]byte(v.s)), sha256.Sum256([]byte(other))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// String implements fmt.Stringer with a placeholder.
func (v Value) String() string { return placeholder }

// GoString implements fmt.GoStringer with a placeholder.
func (v Value) GoString() string { return placeholder }

// LogValue implements slog.LogValuer with a placeholder.
func (v Value) LogValue() slog.Value { return slog.StringValue(placeholder) }

// MarshalText keeps the secret out of JSON and every other text encoding.
func (v Value) MarshalText() ([]byte, error) { return []byte(placeholder), nil }
