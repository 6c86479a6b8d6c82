package wire

import "strings"

// Part says whose rules of percent-encoding apply.
type Part uint8

// The parts of a URI.
const (
	InPath  Part = iota // a slash stays, a plus sign is one
	InQuery             // a slash is encoded, a plus sign is a space
)

// unreserved are the characters of RFC 3986 section 2.3, which nobody encodes.
var unreserved = func() (set [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~") {
		set[c] = true
	}
	return set
}()

// stays reports whether AWS's UriEncode leaves a byte as it is
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
func stays(c byte, in Part) bool { return unreserved[c] || c == '/' && in == InPath }

// Encode is AWS's UriEncode: unreserved characters stay, and slashes in a path;
// every other byte becomes %XX, in upper case. A text in this form is its own
// canonical one, so everybody who signs it signs the same bytes.
func Encode(s string, in Part) string {
	if IsPlain(s, in) {
		return s
	}
	return string(AppendEncoded(make([]byte, 0, len(s)+len(s)/4), s, in))
}

// IsPlain reports whether Encode would change nothing, nor Decode.
func IsPlain(s string, in Part) bool {
	for i := range len(s) {
		if !stays(s[i], in) {
			return false
		}
	}
	return true
}

// AppendEncoded is Encode for what is a part of something longer.
func AppendEncoded(dst []byte, s string, in Part) []byte {
	for i := range len(s) {
		dst = appendByte(dst, s[i], in)
	}
	return dst
}

func appendByte(dst []byte, c byte, in Part) []byte {
	if stays(c, in) {
		return append(dst, c)
	}
	return append(dst, '%', UpperHex[c>>4], UpperHex[c&15])
}

// Decode undoes every way of percent-encoding. A malformed escape is none of
// them: guessing would make two readers of one text disagree.
func Decode(s string, in Part) (string, bool) {
	if strings.IndexByte(s, '%') < 0 && (in == InPath || strings.IndexByte(s, '+') < 0) {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c, size, ok := next(s[i:], in)
		if !ok {
			return "", false
		}
		b = append(b, c)
		i += size - 1
	}
	return string(b), true
}

// AppendCanonical is AppendEncoded of Decode, in one go: the form in which a text
// is signed, whichever way it was encoded. S3 encodes once, unlike AWS's other
// services, and resolves neither "." nor "//".
func AppendCanonical(dst []byte, s string, in Part) (canonical []byte, ok bool) {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !stays(c, in) {
			var size int
			if c, size, ok = next(s[i:], in); !ok {
				return dst, false
			}
			i += size - 1
		}
		dst = appendByte(dst, c, in)
	}
	return dst, true
}

// IsCanonical reports whether AppendCanonical would change nothing.
func IsCanonical(s string, in Part) bool {
	for i := 0; i < len(s); i++ {
		if stays(s[i], in) {
			continue
		}
		c, ok := Escape(s[i:])
		if !ok || stays(c, in) || s[i+1] >= 'a' || s[i+2] >= 'a' { // no letter may be a small one
			return false
		}
		i += 2
	}
	return true
}

// CutEncoded cuts a prefix, which is not encoded, off a text that is, and leaves
// the rest as it is encoded.
func CutEncoded(s, prefix string, in Part) (rest string, found bool) {
	for i := range len(prefix) {
		if s == "" {
			return "", false
		}
		c, size, ok := next(s, in)
		if !ok || c != prefix[i] {
			return "", false
		}
		s = s[size:]
	}
	return s, true
}

// next reads the byte that s begins with, and how many bytes spell it.
func next(s string, in Part) (c byte, size int, ok bool) {
	switch c = s[0]; {
	case c == '%':
		c, ok = Escape(s)
		return c, 3, ok
	case c == '+' && in == InQuery:
		c = ' '
	}
	return c, 1, true
}

// Escape reads the %XX that s begins with.
func Escape(s string) (c byte, ok bool) {
	if len(s) < 3 || s[0] != '%' {
		return 0, false
	}
	high, ok1 := Unhex(s[1])
	low, ok2 := Unhex(s[2])
	return high<<4 | low, ok1 && ok2
}
