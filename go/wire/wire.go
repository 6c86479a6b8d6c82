// Package wire is the syntax that several rooms share: what may stand where in
// a host name, a path, a header field. It knows nothing of what is said by it.
package wire

// NotInLabel reports whether a label of a host name can't hold a character:
// letters, digits and hyphens (RFC 1123, section 2.1), and the underscore that
// names of services have.
func NotInLabel(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
}
