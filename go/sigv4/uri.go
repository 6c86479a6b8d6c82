package sigv4

import (
	"slices"
	"strings"

	"osp/go/s3err"
)

// part says which rules of encoding apply.
type part uint8

const (
	inPath  part = iota // "/" stays, "+" is a plus sign
	inParam             // "/" is encoded, "+" is a space
)

const upperHex = "0123456789ABCDEF"

// appendCanonical decodes s once and encodes it as AWS's UriEncode does:
// letters, digits, "-", ".", "_", "~" stay, every other byte becomes %XY in
// upper case. S3 encodes once, unlike AWS's other services, and resolves
// neither "." nor "//". It reports false for an invalid escape.
func appendCanonical(dst []byte, s string, in part) ([]byte, bool) {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '%':
			b, ok := escape(s[i:])
			if !ok {
				return dst, false
			}
			c = b
			i += 2
		case c == '+' && in == inParam:
			c = ' '
		}
		if isUnreserved(c) || c == '/' && in == inPath {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst, true
}

// isCanonical reports whether appendCanonical would change nothing, as with
// nearly every query that SDKs send.
func isCanonical(s string) bool {
	for i := 0; i < len(s); i++ {
		if isUnreserved(s[i]) {
			continue
		}
		b, ok := escape(s[i:])
		if !ok || isUnreserved(b) || isLowerHex(s[i+1]) || isLowerHex(s[i+2]) {
			return false
		}
		i += 2
	}
	return true
}

func canonicalParam(s string) (string, error) {
	if isCanonical(s) {
		return s, nil
	}
	b, ok := appendCanonical(make([]byte, 0, len(s)+16), s, inParam)
	if !ok {
		return "", s3err.InvalidURI
	}
	return string(b), nil
}

// decodeCanonical undoes canonicalParam.
func decodeCanonical(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' {
			c, _ := escape(s[i:])
			b = append(b, c)
			i += 2
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

// escape reads the %XY that s begins with.
func escape(s string) (byte, bool) {
	if len(s) < 3 || s[0] != '%' {
		return 0, false
	}
	hi, ok1 := unhex(s[1])
	lo, ok2 := unhex(s[2])
	return hi<<4 | lo, ok1 && ok2
}

func unhex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

func isLowerHex(c byte) bool { return c >= 'a' }

func isUnreserved(c byte) bool {
	return isAlnum(c) || c == '-' || c == '.' || c == '_' || c == '~'
}

// param is one query parameter, name and value in canonical encoding.
type param struct{ name, value string }

const querySignature = "X-Amz-Signature"

// parseQuery splits at "&" only and returns the parameters in canonical order:
// by encoded name, then by encoded value. A parameter without "=" has an empty
// value; empty parameters are dropped.
func parseQuery(raw string) ([]param, error) {
	if raw == "" {
		return nil, nil
	}
	params := make([]param, 0, 1+strings.Count(raw, "&"))
	for piece := range strings.SplitSeq(raw, "&") {
		if piece == "" {
			continue
		}
		name, value, _ := strings.Cut(piece, "=")
		var p param
		var err error
		if p.name, err = canonicalParam(name); err != nil {
			return nil, err
		}
		if p.value, err = canonicalParam(value); err != nil {
			return nil, err
		}
		params = append(params, p)
	}
	slices.SortFunc(params, func(a, b param) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	return params, nil
}

// appendQuery writes the canonical query. The signature of a presigned URL is
// not part of what it signs; anywhere else that name has been refused before.
func appendQuery(dst []byte, query []param) []byte {
	first := true
	for _, p := range query {
		if p.name == querySignature {
			continue
		}
		if !first {
			dst = append(dst, '&')
		}
		first = false
		dst = append(dst, p.name...)
		dst = append(dst, '=')
		dst = append(dst, p.value...)
	}
	return dst
}
