package s3op

import (
	"strings"

	"osp/go/s3err"
	"osp/go/wire"
)

// Param is one query parameter, decoded.
type Param struct{ Name, Value string }

// Query holds the parameters in wire order. No name occurs twice.
type Query []Param

// Get returns the value of a parameter, and whether it exists.
func (q Query) Get(name string) (string, bool) {
	for _, p := range q {
		if p.Name == name {
			return p.Value, true
		}
	}
	return "", false
}

// Has reports whether a parameter exists, with or without a value.
func (q Query) Has(name string) bool {
	_, ok := q.Get(name)
	return ok
}

// Field returns the value of the parameter that stands for a header of S3's, by the
// header's canonical name, and whether there is one.
func (q Query) Field(name string) (string, bool) {
	for _, p := range q {
		if p.Field() == name {
			return p.Value, true
		}
	}
	return "", false
}

// Encode writes the query for a store: every name and value UriEncoded.
func (q Query) Encode() string {
	var b []byte
	for i, p := range q {
		if i > 0 {
			b = append(b, '&')
		}
		b = wire.AppendEncoded(b, p.Name, wire.InQuery)
		b = append(b, '=')
		b = wire.AppendEncoded(b, p.Value, wire.InQuery)
	}
	return string(b)
}

// maxParams bounds the parameters of one query. Those of S3 are few; a
// presigned URL may contain metadata, which S3 limits to 2 KB.
const maxParams = 256

// parseQuery decodes a raw query. A name that occurs twice is refused: a
// validator and a store might each look at a different one.
func parseQuery(raw string) (Query, error) {
	if raw == "" {
		return nil, nil
	}
	count := strings.Count(raw, "&") + 1
	if count > maxParams {
		return nil, s3err.InvalidArgument.Msg("There are too many query parameters.")
	}
	q := make(Query, 0, count)
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := decode(rawName, wire.InQuery)
		if err != nil {
			return nil, err
		}
		value, err := decode(rawValue, wire.InQuery)
		if err != nil {
			return nil, err
		}
		p := Param{name, value}
		if p.Field() != "" && (wire.Ambiguous(value) || strings.ContainsFunc(value, wire.IsControl)) {
			return nil, s3err.InvalidArgument.Msg("The query parameter '" + brief(name) +
				"' stands for a header, whose value does not begin or end with a blank, and has no tabs or control characters.")
		}
		q = append(q, p)
	}
	if name, twice := q.repeated(); twice {
		return nil, s3err.InvalidArgument.Msg("The query parameter '" + brief(name) + "' is given more than once.")
	}
	return q, nil
}

// repeated returns a name that occurs twice. Names of S3's headers are
// case-insensitive.
func (q Query) repeated() (string, bool) {
	const few = 12 // up to which comparing each with each is cheapest
	if len(q) <= few {
		for i, p := range q {
			for _, before := range q[:i] {
				if before.Name == p.Name || wire.HasPrefixFold(p.Name, "x-amz-") && strings.EqualFold(before.Name, p.Name) {
					return p.Name, true
				}
			}
		}
		return "", false
	}
	seen := make(map[string]struct{}, len(q))
	for _, p := range q {
		name := p.Name
		if wire.HasPrefixFold(name, "x-amz-") {
			name = strings.ToLower(name)
		}
		if _, twice := seen[name]; twice {
			return p.Name, true
		}
		seen[name] = struct{}{}
	}
	return "", false
}
