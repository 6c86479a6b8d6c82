package wire

import (
	"slices"
	"strings"
)

// Ambiguous reports whether a field's value is canonicalised in more than one way: some
// take a run of blanks with a tab in it for a space, others for a tab, and some trim
// Unicode's spaces.
func Ambiguous(value string) bool {
	return strings.IndexByte(value, '\t') >= 0 || strings.TrimSpace(value) != value
}

// CanonicalBlanks returns values of which none is ambiguous.
func CanonicalBlanks(values []string) []string {
	if !slices.ContainsFunc(values, Ambiguous) {
		return values
	}
	blank := func(c rune) bool { return c == ' ' || c == '\t' }
	clear := make([]string, len(values))
	for i, v := range values {
		if clear[i] = v; Ambiguous(v) {
			clear[i] = strings.Join(strings.FieldsFunc(strings.TrimSpace(v), blank), " ")
		}
	}
	return clear
}

// IsControl reports whether a byte of a text is one of ASCII's control characters.
func IsControl(r rune) bool { return r < ' ' || r == 0x7f }
