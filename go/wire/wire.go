// Package wire is the syntax that several rooms share: what may stand where in
// a host name, a path, a query, a header field, and how long what S3 names may
// be. It knows nothing of what is said by it, and imports nothing of ours.
package wire

// NotInLabel reports whether a label of a host name can't hold a character:
// letters, digits and hyphens (RFC 1123, section 2.1), and the underscore that
// names of services have.
func NotInLabel(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
}

// NotVisible reports whether a character is none of visible ASCII, of which
// credentials and tokens are made. Whatever else may be in one does not go into a
// header field.
func NotVisible(r rune) bool { return r <= ' ' || r >= 0x7f }
