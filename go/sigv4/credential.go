package sigv4

import (
	"strings"

	"osp/go/s3err"
)

// credential is a parsed Credential: access key and scope.
type credential struct {
	accessKey string
	date      string // yyyymmdd
	region    string
	service   Service
	scope     string // date/region/service/aws4_request
}

const maxRegion = 64

// parseCredential takes the scope from the last four parts and leaves
// everything before them to the access key, including slashes. AWS cuts at the
// first slash, but its own keys have none.
func parseCredential(s string, of Service, fail refuse) (credential, error) {
	var cut [4]int // positions of the last four slashes, from the right
	at := len(s)
	for i := range cut {
		if at = strings.LastIndexByte(s[:at], '/'); at < 0 {
			break
		}
		cut[i] = at
	}
	if at <= 0 {
		return credential{}, fail(`the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`)
	}
	c := credential{
		accessKey: s[:cut[3]],
		date:      s[cut[3]+1 : cut[2]],
		region:    s[cut[2]+1 : cut[1]],
		service:   of,
		scope:     s[cut[3]+1:],
	}
	return c, c.check(s[cut[1]+1:cut[0]], s[cut[0]+1:], fail)
}

func (c credential) check(svc, end string, fail refuse) error {
	switch {
	case end != terminator:
		return fail("incorrect terminal " + quote(end) + `. This endpoint uses "aws4_request".`)
	case svc != string(c.service):
		return fail("incorrect service " + quote(svc) + `. This endpoint belongs to ` + quote(string(c.service)) + `.`)
	case !isDay(c.date):
		return fail("incorrect date format " + quote(c.date) + `. This date in the credential must be in the format "yyyyMMdd".`)
	case !isRegion(c.region):
		return fail("the region " + quote(c.region) + " is wrong")
	}
	return nil
}

func isDay(s string) bool {
	if len(s) != 8 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// isRegion accepts what providers call regions: AWS's us-east-1, "auto",
// MinIO's free text. A region is a key of caches, so its length is bounded.
func isRegion(s string) bool {
	if s == "" || len(s) > maxRegion {
		return false
	}
	for i := range len(s) {
		if !isAlnum(s[i]) && s[i] != '-' && s[i] != '_' && s[i] != '.' {
			return false
		}
	}
	return true
}

// checkSignature accepts only one spelling of a signature, so that it can
// identify a presigned URL. AWS refuses upper case as well.
func checkSignature(s string) error {
	if len(s) != 64 {
		return s3err.SignatureDoesNotMatch
	}
	for i := range len(s) {
		if (s[i] < '0' || s[i] > '9') && (s[i] < 'a' || s[i] > 'f') {
			return s3err.SignatureDoesNotMatch
		}
	}
	return nil
}

// splitSignedHeaders accepts the canonical spelling only: lower-case tokens,
// ascending, without duplicates. "host" has to be among them.
func splitSignedHeaders(s string, fail refuse) ([]string, error) {
	names := strings.Split(s, ";")
	host := false
	for i, name := range names {
		if !isLowerToken(name) || (i > 0 && names[i-1] >= name) {
			return nil, fail("SignedHeaders must be lower-case header names, sorted, each once.")
		}
		host = host || name == "host"
	}
	if !host {
		return nil, notSigned("host")
	}
	return names, nil
}

func isLowerToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' || c != '-' && !isAlnum(c) && strings.IndexByte("!#$%&'*+.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
