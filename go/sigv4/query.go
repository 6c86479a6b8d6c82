package sigv4

import (
	"slices"
	"strings"

	"osp/go/s3err"
	"osp/go/wire"
)

func canonicalParam(s string) (string, error) {
	if wire.IsCanonical(s, wire.InQuery) { // as SDKs send nearly every query
		return s, nil
	}
	b, ok := wire.AppendCanonical(make([]byte, 0, len(s)+16), s, wire.InQuery)
	if !ok {
		return "", s3err.InvalidURI
	}
	return string(b), nil
}

// param is one query parameter, name and value in canonical encoding.
type param struct{ name, value string }

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
// no part of what it signs; anywhere else that name is refused before.
func appendQuery(dst []byte, query []param) []byte {
	first := true
	for _, p := range query {
		if p.name == wire.SignatureParam {
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
