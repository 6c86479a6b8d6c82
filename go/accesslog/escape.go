package accesslog

import (
	"unicode/utf8"

	"osp/go/wire"
)

// quote appends a JSON string (RFC 8259). Beyond what JSON requires it escapes
// DEL, the C1 controls and the line separators, to which terminals and viewers
// react. Bytes that are not UTF-8 become U+FFFD, because some readers of the
// log would refuse the line.
func quote(b []byte, text string) []byte {
	b = append(b, '"')
	for i := 0; i < len(text); {
		begin := i
		for i < len(text) && ordinary(text[i]) {
			i++
		}
		b = append(b, text[begin:i]...)
		if i == len(text) {
			break
		}
		c := text[i]
		if c < utf8.RuneSelf {
			if c == '"' || c == '\\' {
				b = append(b, '\\', c)
			} else {
				b = escapeRune(b, rune(c))
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = escapeRune(b, utf8.RuneError)
		case r < 0xa0, r == '\u2028', r == '\u2029', '\u202a' <= r && r <= '\u202e', '\u2066' <= r && r <= '\u2069':
			b = escapeRune(b, r)
		default:
			b = append(b, text[i:i+size]...)
		}
		i += size
	}
	return append(b, '"')
}

// ordinary bytes stand for themselves.
func ordinary(c byte) bool { return ' ' <= c && c < 0x7f && c != '"' && c != '\\' }

func escapeRune(b []byte, r rune) []byte {
	return append(b, '\\', 'u', wire.LowerHex[r>>12&15], wire.LowerHex[r>>8&15], wire.LowerHex[r>>4&15], wire.LowerHex[r&15])
}

// plain reports whether a text needs no quotes in logfmt.
func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\' {
			return false
		}
	}
	return true
}

// hexEscaped appends a text as httpd writes it: what is not printable ASCII,
// quotes and backslashes become \xhh. words escapes spaces as well.
func hexEscaped(b []byte, text string, words bool) []byte {
	for i := range len(text) {
		c := text[i]
		if c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == ' ' && words {
			b = append(b, '\\', 'x', wire.LowerHex[c>>4], wire.LowerHex[c&15])
			continue
		}
		b = append(b, c)
	}
	return b
}
