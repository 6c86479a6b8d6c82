package upstream

import (
	"net/http"
	"strings"
)

// Spell returns a canonical header name as S3 writes it. Names have no case by
// the standard, but what follows x-amz-meta- is data: stores keep it as it
// came, and SDKs hand it to their users as it comes.
func Spell(canonicalName string) string {
	switch {
	case strings.HasPrefix(canonicalName, "X-Amz-"):
		return strings.ToLower(canonicalName)
	case canonicalName == "Etag":
		return "ETag"
	}
	return canonicalName
}

func respell(h http.Header) {
	for name, values := range h {
		if spelled := Spell(name); spelled != name {
			delete(h, name)
			h[spelled] = values
		}
	}
}
