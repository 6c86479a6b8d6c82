package policy

import (
	"net/textproto"
	"strconv"
	"strings"
)

// key is what a condition looks at, or, if it says who asks, a variable.
type key struct {
	name string
	kind kind
	text func(*Question) (value string, given bool) // the value, if there is one
	who  bool
	// closer: it is about more of a session than its token, its role and its name.
	closer bool
	// values are those of a key that may have several; nil: it has one at most.
	values func(*Question) []string
}

// kind is which values a key has, and so which operators it takes.
type kind uint8

const (
	text    kind = 1 << iota // String*
	number                   // Numeric*
	date                     // Date*
	boolean                  // Bool
	address                  // IpAddress, NotIpAddress
)

// keys are the condition keys ("AWS global condition context keys"; "Condition
// keys for Amazon S3" in the Service Authorization Reference). Their names are
// compared without regard to case. A key has no value where text says so.
var keys = []key{
	about("aws:SourceIp", address, func(q *Question) (string, bool) { return q.ClientIP, q.ClientIP != "" }),
	about("aws:SecureTransport", boolean, func(q *Question) (string, bool) { return strconv.FormatBool(q.Secure), true }),
	about("aws:CurrentTime", date, func(q *Question) (string, bool) { return "", true }),
	about("aws:EpochTime", date|number, func(q *Question) (string, bool) { return strconv.FormatInt(q.Now().Unix(), 10), true }),
	ofWho("aws:username", func(q *Question) (string, bool) { return q.Token, q.Token != "" }),
	ofWho("aws:userid", userID),
	ofSession("aws:SourceIdentity", func(q *Question) (string, bool) {
		if q.Session == nil {
			return "", false
		}
		return q.Session.SourceIdentity, q.Session.SourceIdentity != ""
	}),
	about("s3:prefix", text, param("prefix")),
	about("s3:delimiter", text, param("delimiter")),
	about("s3:max-keys", number, param("max-keys")),
	about("s3:VersionId", text, func(q *Question) (string, bool) { return q.VersionID, q.VersionID != "" }),
	about("s3:x-amz-acl", text, field("x-amz-acl")),
	about("s3:x-amz-grant-full-control", text, field("x-amz-grant-full-control")),
	about("s3:x-amz-grant-read", text, field("x-amz-grant-read")),
	about("s3:x-amz-grant-read-acp", text, field("x-amz-grant-read-acp")),
	about("s3:x-amz-grant-write", text, field("x-amz-grant-write")),
	about("s3:x-amz-grant-write-acp", text, field("x-amz-grant-write-acp")),
	about("s3:x-amz-server-side-encryption", text, field("x-amz-server-side-encryption")),
	about("s3:x-amz-server-side-encryption-aws-kms-key-id", text, field("x-amz-server-side-encryption-aws-kms-key-id")),
	about("s3:x-amz-storage-class", text, field("x-amz-storage-class")),
}

func about(name string, k kind, value func(*Question) (string, bool)) key {
	return key{name: name, kind: k, text: value}
}

func ofWho(name string, value func(*Question) (string, bool)) key {
	return key{name: name, kind: text, text: value, who: true}
}

func ofSession(name string, value func(*Question) (string, bool)) key {
	k := ofWho(name, value)
	k.closer = true
	return k
}

// userID is the client's access key or, as of AWS's assumed roles, role:name.
func userID(q *Question) (string, bool) {
	if q.Session != nil && q.Session.Role != "" {
		return q.Session.Role + ":" + q.Session.Name, true
	}
	return q.Token, q.Token != ""
}

// What the keys begin with of which there are as many as sessions have tags and claims.
const (
	tagKeys   = "aws:PrincipalTag/"
	claimKeys = "jwt:"
)

// tagKey is the key of a session's tag.
func tagKey(tag string) *key {
	k := ofSession(tagKeys+tag, func(q *Question) (value string, given bool) {
		if q.Session != nil {
			value, given = q.Session.Tags[tag]
		}
		return value, given
	})
	return &k
}

// claimKey is the key of a claim of the identity token that a session came of. As a
// variable it has a value only if there is one alone.
func claimKey(claim string) *key {
	values := func(q *Question) []string { return claimOf(q, claim) }
	k := ofSession(claimKeys+claim, func(q *Question) (string, bool) {
		if list := values(q); len(list) == 1 {
			return list[0], true
		}
		return "", false
	})
	k.values = values
	return &k
}

func claimOf(q *Question, claim string) []string {
	switch {
	case q.Session == nil:
		return nil
	case claim == "iss" && q.Session.Issuer != "":
		return []string{q.Session.Issuer}
	case claim == "sub" && q.Session.Subject != "":
		return []string{q.Session.Subject}
	}
	return q.Session.Claims[claim]
}

func param(name string) func(*Question) (string, bool) {
	return func(q *Question) (string, bool) { return q.Request.Param(name) }
}

func field(name string) func(*Question) (string, bool) {
	name = textproto.CanonicalMIMEHeaderKey(name)
	return func(q *Question) (string, bool) { return q.Request.Field(name) }
}

func keyNamed(name string) (k *key, known bool) {
	if tag, ok := cutPrefixFold(name, tagKeys); ok {
		return tagKey(tag), tag != ""
	}
	if claim, ok := cutPrefixFold(name, claimKeys); ok {
		return claimKey(claim), claim != ""
	}
	for i := range keys {
		if strings.EqualFold(keys[i].name, name) {
			return &keys[i], true
		}
	}
	return nil, false
}

func cutPrefixFold(text, prefix string) (rest string, found bool) {
	if len(text) < len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return "", false
	}
	return text[len(prefix):], true
}

// given reports whether a key has a value.
func (k *key) given(q *Question) bool {
	if k.values != nil {
		return len(k.values(q)) > 0
	}
	_, given := k.text(q)
	return given
}
