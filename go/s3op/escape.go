package s3op

import (
	"strings"

	"osp/go/s3err"
)

// EscapeKey UriEncodes a decoded key as SigV4 defines it for S3: unreserved
// characters and slashes are kept, every other byte becomes %XX. A path in this
// form is its own canonical URI, so every store signs the same bytes.
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html)
func EscapeKey(key string) string {
	if isEscaped(key) {
		return key
	}
	return string(appendEscaped(make([]byte, 0, len(key)+len(key)/4), key, true))
}

// isEscaped reports whether a key is already escaped like this.
func isEscaped(key string) bool {
	for i := range len(key) {
		if key[i] != '/' && !unreserved(key[i]) {
			return false
		}
	}
	return true
}

func appendEscaped(b []byte, s string, keepSlash bool) []byte {
	const hexDigits = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if unreserved(c) || c == '/' && keepSlash {
			b = append(b, c)
			continue
		}
		b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
	}
	return b
}

// unreserved are the characters of RFC 3986 section 2.3.
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '_' || c == '.' || c == '~'
}

// unescape decodes percent escapes, and nothing else. A malformed escape is an
// error: by guessing, two readers of one path could disagree.
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", s3err.InvalidURI
		}
		high, ok1 := unhex(s[i+1])
		low, ok2 := unhex(s[i+2])
		if !ok1 || !ok2 {
			return "", s3err.InvalidURI
		}
		b = append(b, high<<4|low)
		i += 2
	}
	return string(b), nil
}

// unescapeQuery also takes `+` for a space, as S3 and its clients do in a query.
func unescapeQuery(s string) (string, error) {
	if strings.IndexByte(s, '+') >= 0 {
		s = strings.ReplaceAll(s, "+", " ")
	}
	return unescape(s)
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
