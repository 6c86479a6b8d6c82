package wire

import "strings"

// Ambiguous reports whether a field's value is canonicalised in more than one way: some
// take a run of blanks with a tab in it for a space, others for a tab, and some trim
// Unicode's spaces.
func Ambiguous(value string) bool {
	return strings.IndexByte(value, '\t') >= 0 || strings.TrimSpace(value) != value
}

// CanonicalBlanks returns a value that is not ambiguous.
func CanonicalBlanks(value string) string {
	if !Ambiguous(value) {
		return value
	}
	blank := func(c rune) bool { return c == ' ' || c == '\t' }
	return strings.Join(strings.FieldsFunc(strings.TrimSpace(value), blank), " ")
}

// IsControl reports whether a character is one of ASCII's control characters.
func IsControl(r rune) bool { return r < ' ' || r == 0x7f }
