package sigv4

import (
	"net/http"
	"slices"
	"strings"

	"osp/go/wire"
)

const payloadHashName = "x-amz-content-sha256"

// authHeaders are the values of the headers that authentication reads.
type authHeaders struct {
	authorization, amzDate, date, payloadHash, token []string
}

// scanHeaders finds them whatever the spelling of their names: a map that was
// not made by net/http may contain spellings other than the canonical one.
// Spellings of one name are added up, so that they are refused as duplicate
// values.
func scanHeaders(h http.Header) authHeaders {
	var a authHeaders
	for name, values := range h {
		into := a.field(name)
		switch {
		case into == nil:
		case *into == nil && values == nil:
			*into = []string{}
		case *into == nil:
			*into = values
		default:
			*into = slices.Concat(*into, values)
		}
	}
	return a
}

func (a *authHeaders) field(name string) *[]string {
	switch {
	case wire.CompareFold("authorization", name) == 0:
		return &a.authorization
	case wire.CompareFold("x-amz-date", name) == 0:
		return &a.amzDate
	case wire.CompareFold("date", name) == 0:
		return &a.date
	case wire.CompareFold(payloadHashName, name) == 0:
		return &a.payloadHash
	case wire.CompareFold("x-amz-security-token", name) == 0:
		return &a.token
	}
	return nil
}

// collectSigned returns the values of each name in signed, nil if the request
// lacks the header. Every x-amz-* header has to be among them, or whoever gets
// hold of the request could add instructions that its signer never gave: AWS
// refuses that too. x-amz-content-sha256 is the exception because the last line
// of the canonical request contains it. The values are put into room if there
// is enough of it.
func collectSigned(room [][]string, h http.Header, signed []string) ([][]string, error) {
	values := append(room[:0], make([][]string, len(signed))...)
	var loose []string
	for name, vs := range h {
		i, found := slices.BinarySearchFunc(signed, name, wire.CompareFold)
		switch {
		case found && values[i] != nil:
			return nil, errSpeltTwice
		case found:
			values[i] = vs
		case wire.HasPrefixFold(name, "x-amz-") && wire.CompareFold(payloadHashName, name) != 0:
			loose = append(loose, name)
		}
	}
	if loose != nil {
		return nil, notSigned(loose...)
	}
	return values, nil
}

// appendValues joins the lines of one header with commas, each trimmed and with
// runs of spaces and tabs reduced to one space, as botocore and the SDKs for
// Java and JavaScript do.
func appendValues(dst []byte, values []string) []byte {
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendCollapsed(dst, v)
	}
	return dst
}

func appendCollapsed(dst []byte, v string) []byte {
	if strings.IndexByte(v, ' ') < 0 && strings.IndexByte(v, '\t') < 0 {
		return append(dst, v...)
	}
	start, space := len(dst), false
	for i := range len(v) {
		if v[i] == ' ' || v[i] == '\t' {
			space = true
			continue
		}
		if space && len(dst) > start {
			dst = append(dst, ' ')
		}
		space = false
		dst = append(dst, v[i])
	}
	return dst
}
