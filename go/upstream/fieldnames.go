package upstream

import (
	"net/http"
	"strings"
)

// Spell returns a canonical field name as S3 spells it. By the standard, case has no
// meaning in names, but what follows x-amz-meta- is data: stores keep it as it was
// sent, and SDKs hand it to their users as it arrives.
func Spell(canonicalName string) string {
	if spelled, ok := common[canonicalName]; ok {
		return spelled
	}
	if strings.HasPrefix(canonicalName, amz) {
		return strings.ToLower(canonicalName)
	}
	return canonicalName
}

const amz = "X-Amz-"

// common are names in nearly every response, for which no string has to be made.
var common = map[string]string{
	"Etag":                         "ETag",
	"X-Amz-Id-2":                   "x-amz-id-2",
	"X-Amz-Request-Id":             "x-amz-request-id",
	"X-Amz-Bucket-Region":          "x-amz-bucket-region",
	"X-Amz-Version-Id":             "x-amz-version-id",
	"X-Amz-Checksum-Type":          "x-amz-checksum-type",
	"X-Amz-Checksum-Crc32":         "x-amz-checksum-crc32",
	"X-Amz-Storage-Class":          "x-amz-storage-class",
	"X-Amz-Server-Side-Encryption": "x-amz-server-side-encryption",
}

// appendSpelled is Spell for a name that is written to a buffer.
func appendSpelled(b []byte, canonicalName string) []byte {
	begun := len(b)
	if !strings.HasPrefix(canonicalName, amz) {
		return append(b, Spell(canonicalName)...)
	}
	b = append(b, canonicalName...)
	for i, c := range b[begun:] {
		if 'A' <= c && c <= 'Z' {
			b[begun+i] = c + 'a' - 'A'
		}
	}
	return b
}

func respell(h http.Header) {
	for name, values := range h {
		if spelled := Spell(name); spelled != name {
			delete(h, name)
			h[spelled] = values
		}
	}
}
