package s3req

import (
	"strings"

	"osp/go/s3err"
)

// Param is one query parameter, decoded.
type Param struct{ Name, Value string }

// Query holds the parameters in wire order. No name occurs twice.
type Query []Param

// Get returns the value of a parameter, and whether it is there at all.
func (q Query) Get(name string) (string, bool) {
	for _, p := range q {
		if p.Name == name {
			return p.Value, true
		}
	}
	return "", false
}

// Has reports whether a parameter is there, with or without a value.
func (q Query) Has(name string) bool {
	_, ok := q.Get(name)
	return ok
}

// Encode writes the query for a store: every name and value UriEncoded.
func (q Query) Encode() string {
	var b []byte
	for i, p := range q {
		if i > 0 {
			b = append(b, '&')
		}
		b = appendEscaped(b, p.Name, false)
		b = append(b, '=')
		b = appendEscaped(b, p.Value, false)
	}
	return string(b)
}

// parseQuery decodes a raw query. A name that occurs twice is refused: a
// validator and a store might each look at another one of them.
func parseQuery(raw string) (Query, error) {
	if raw == "" {
		return nil, nil
	}
	q := make(Query, 0, strings.Count(raw, "&")+1)
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := unescapeQuery(rawName)
		if err != nil {
			return nil, err
		}
		value, err := unescapeQuery(rawValue)
		if err != nil {
			return nil, err
		}
		if q.Has(name) {
			return nil, s3err.InvalidArgument.Msg("The query parameter '" + name + "' is given more than once.")
		}
		q = append(q, Param{name, value})
	}
	return q, nil
}
