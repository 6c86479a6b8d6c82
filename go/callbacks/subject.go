package callbacks

import (
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"osp/go/wire"
)

// attributeNames are the types of attributes that are written by name: those of RFC 4514,
// section 3, and two that certificates of clients have, as OpenSSL writes them.
var attributeNames = map[string]string{
	"2.5.4.3": "CN", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.6": "C", "2.5.4.9": "STREET",
	"0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
	"2.5.4.5": "serialNumber", "1.2.840.113549.1.9.1": "emailAddress",
}

// subjectOf writes a certificate's subject, in DER, as RFC 4514 says: all of it, the last
// first, so that no two pass for each other. pkix.Name keeps one common name, and no
// order. What is no such name is # and its bytes in hexadecimal, which no name begins with.
func subjectOf(raw []byte) string {
	type relativeSET [][]asn1.RawValue
	var sequence []relativeSET
	rest, err := asn1.Unmarshal(raw, &sequence)
	if err != nil || len(rest) > 0 {
		return hexOf(raw)
	}
	var b []byte
	for i, set := range slices.Backward(sequence) {
		if len(set) == 0 {
			return hexOf(raw)
		}
		for j, pair := range slices.Backward(set) {
			var attribute asn1.ObjectIdentifier
			if len(pair) != 2 {
				return hexOf(raw)
			}
			if _, err := asn1.Unmarshal(pair[0].FullBytes, &attribute); err != nil {
				return hexOf(raw)
			}
			switch {
			case j < len(set)-1:
				b = append(b, '+')
			case i < len(sequence)-1:
				b = append(b, ',')
			}
			b = appendAttribute(b, attribute.String(), pair[1])
		}
	}
	return string(b)
}

func hexOf(raw []byte) string { return fmt.Sprintf("#%X", raw) }

// appendAttribute writes a value whose type has no name by its bytes alone.
func appendAttribute(b []byte, attribute string, value asn1.RawValue) []byte {
	name, named := attributeNames[attribute]
	if !named {
		return append(append(b, attribute+"="...), hexOf(value.FullBytes)...)
	}
	b = append(b, name+"="...)
	if text, ok := textOf(value); ok {
		return appendEscaped(b, text)
	}
	return append(b, hexOf(value.FullBytes)...)
}

// textOf reads the types of ASN.1 for texts that crypto/x509 accepts. T.61 is read as
// Latin-1, as everybody does.
func textOf(value asn1.RawValue) (text string, ok bool) {
	if value.Class != asn1.ClassUniversal || value.IsCompound {
		return "", false
	}
	switch value.Tag {
	case asn1.TagUTF8String:
		return string(value.Bytes), utf8.Valid(value.Bytes)
	case asn1.TagPrintableString, asn1.TagIA5String, asn1.TagNumericString:
		notASCII := func(c byte) bool { return c >= utf8.RuneSelf }
		return string(value.Bytes), !slices.ContainsFunc(value.Bytes, notASCII)
	case asn1.TagT61String:
		runes := make([]rune, len(value.Bytes))
		for i, c := range value.Bytes {
			runes[i] = rune(c)
		}
		return string(runes), true
	case asn1.TagBMPString:
		if len(value.Bytes)%2 != 0 {
			return "", false
		}
		runes := make([]rune, len(value.Bytes)/2)
		for i := range runes {
			runes[i] = rune(value.Bytes[2*i])<<8 | rune(value.Bytes[2*i+1])
		}
		return string(runes), !slices.ContainsFunc(runes, utf16.IsSurrogate)
	}
	return "", false
}

// appendEscaped escapes what RFC 4514, section 2.4, has escaped, and control characters,
// which it allows.
func appendEscaped(b []byte, text string) []byte {
	for i := range len(text) {
		c := text[i]
		switch ends := i == 0 || i == len(text)-1; {
		case wire.IsControl(rune(c)):
			b = append(b, '\\', wire.UpperHex[c>>4], wire.UpperHex[c&15])
			continue
		case strings.IndexByte(`"+,;<>\`, c) >= 0, c == '#' && i == 0, c == ' ' && ends:
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	return b
}
