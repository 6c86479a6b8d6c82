package upstream

import (
	"net/http"
	"strings"
)

// Spell returns a canonical header name as S3 writes it. Names have no case by
// the standard, but what follows x-amz-meta- is data: stores keep it as it
// came, and SDKs hand it to their users as it comes.
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

// common are names that nearly every answer has, so that they need no copy.
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

// appendSpelled is Spell for what is written at once.
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
