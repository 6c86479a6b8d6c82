package h1

import (
	"net/textproto"
	"strings"
)

// The bytes allowed in a field name or a method (RFC 9110 section 5.6.2), in a
// field value (section 5.5) and in Host (RFC 3986 section 3.2).
var (
	tokenBytes = set("!#$%&'*+-.^_`|~" + alphanumeric)
	hostBytes  = set("!$%&'()*+,-.:;=[]_~" + alphanumeric)
	valueBytes = visible()
)

const alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func set(bytes string) *[256]bool {
	var s [256]bool
	for i := range len(bytes) {
		s[bytes[i]] = true
	}
	return &s
}

// visible is every byte except control characters, of which a tab is allowed.
func visible() *[256]bool {
	var s [256]bool
	for i := range s {
		s[i] = i >= ' ' && i != 0x7f || i == '\t'
	}
	return &s
}

// consistsOf reports whether a text consists of allowed bytes.
func consistsOf(text string, allowed *[256]bool) bool {
	for i := range len(text) {
		if !allowed[text[i]] {
			return false
		}
	}
	return true
}

// IsToken reports whether a text can be the name of a field, or a method.
func IsToken(text string) bool { return text != "" && consistsOf(text, tokenBytes) }

// IsValue reports whether a text can be the value of a field: it holds no control
// characters except tabs.
func IsValue(text string) bool { return consistsOf(text, valueBytes) }

// IsHost reports whether a text can be the host of a request, with or without a
// port: it holds no slash, question mark, number sign, at sign, space or control
// character, at any of which a parser might end it, or take the rest for a path.
func IsHost(text string) bool { return consistsOf(text, hostBytes) }

// commonNames maps field names, as S3 clients and stores spell them, to their
// canonical spelling.
var commonNames = spellings(
	"Accept", "Accept-Encoding", "Accept-Language", "Amz-Sdk-Invocation-Id", "Amz-Sdk-Request",
	"Authorization", "Cache-Control", "Connection", "Content-Disposition", "Content-Encoding",
	"Content-Language", "Content-Length", "Content-MD5", "Content-Type", "Cookie", "Date", "ETag", "Expect",
	"Expires", "Forwarded", "Host", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range",
	"If-Unmodified-Since", "Origin", "Range", "Referer", "TE", "Traceparent", "Tracestate", "Trailer",
	"Transfer-Encoding", "User-Agent", "Via", "X-Amz-Acl", "X-Amz-Checksum-Algorithm",
	"X-Amz-Checksum-CRC32", "X-Amz-Checksum-CRC32C", "X-Amz-Checksum-CRC64NVME", "X-Amz-Checksum-Mode",
	"X-Amz-Checksum-SHA1", "X-Amz-Checksum-SHA256", "X-Amz-Content-SHA256", "X-Amz-Copy-Source", "X-Amz-Date",
	"X-Amz-Decoded-Content-Length", "X-Amz-Id-2", "X-Amz-Request-Id", "X-Amz-Sdk-Checksum-Algorithm", "X-Amz-Security-Token",
	"X-Amz-Storage-Class", "X-Amz-Trailer", "X-Amz-User-Agent", "X-Amzn-Trace-Id", "X-Forwarded-For",
	"X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Real-IP",
)

func spellings(names ...string) map[string]string {
	spelled := make(map[string]string, 2*len(names))
	for _, name := range names {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		spelled[name], spelled[strings.ToLower(name)] = canonical, canonical
	}
	return spelled
}

// CanonicalName returns a field name as textproto.CanonicalMIMEHeaderKey spells it,
// and false for an invalid one.
func CanonicalName(name string) (string, bool) {
	same, start := true, true
	for i := range len(name) {
		c := name[i]
		if !tokenBytes[c] {
			return "", false
		}
		if start && 'a' <= c && c <= 'z' || !start && 'A' <= c && c <= 'Z' {
			same = false
		}
		start = c == '-'
	}
	if same {
		return name, name != ""
	}
	if spelled, ok := commonNames[name]; ok {
		return spelled, true
	}
	return textproto.CanonicalMIMEHeaderKey(name), true
}
