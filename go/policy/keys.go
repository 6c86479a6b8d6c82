package policy

import (
	"net/textproto"
	"strconv"
	"strings"
)

// key is what a condition looks at, by the row in keys.
type key uint8

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
var keys = []struct {
	name string
	kind kind
	text func(*Question) (value string, given bool)
}{
	{"aws:SourceIp", address, func(q *Question) (string, bool) { return q.ClientIP, q.ClientIP != "" }},
	{"aws:SecureTransport", boolean, func(q *Question) (string, bool) { return strconv.FormatBool(q.Secure), true }},
	{"aws:CurrentTime", date, func(q *Question) (string, bool) { return "", true }},
	{"aws:EpochTime", date | number, func(q *Question) (string, bool) { return strconv.FormatInt(q.Now().Unix(), 10), true }},
	{"aws:username", text, token},
	{"aws:userid", text, token},
	{"s3:prefix", text, param("prefix")},
	{"s3:delimiter", text, param("delimiter")},
	{"s3:max-keys", number, param("max-keys")},
	{"s3:VersionId", text, func(q *Question) (string, bool) { return q.VersionID, q.VersionID != "" }},
	{"s3:x-amz-acl", text, field("x-amz-acl")},
	{"s3:x-amz-grant-full-control", text, field("x-amz-grant-full-control")},
	{"s3:x-amz-grant-read", text, field("x-amz-grant-read")},
	{"s3:x-amz-grant-read-acp", text, field("x-amz-grant-read-acp")},
	{"s3:x-amz-grant-write", text, field("x-amz-grant-write")},
	{"s3:x-amz-grant-write-acp", text, field("x-amz-grant-write-acp")},
	{"s3:x-amz-server-side-encryption", text, field("x-amz-server-side-encryption")},
	{"s3:x-amz-server-side-encryption-aws-kms-key-id", text, field("x-amz-server-side-encryption-aws-kms-key-id")},
	{"s3:x-amz-storage-class", text, field("x-amz-storage-class")},
}

func token(q *Question) (string, bool) { return q.Token, q.Token != "" }

func param(name string) func(*Question) (string, bool) {
	return func(q *Question) (string, bool) { return q.Request.Param(name) }
}

func field(name string) func(*Question) (string, bool) {
	name = textproto.CanonicalMIMEHeaderKey(name)
	return func(q *Question) (string, bool) { return q.Request.Field(name) }
}

func keyNamed(name string) (key, bool) {
	for i := range keys {
		if strings.EqualFold(keys[i].name, name) {
			return key(i), true
		}
	}
	return 0, false
}

func (k key) kind() kind { return keys[k].kind }

func (k key) text(q *Question) (value string, given bool) { return keys[k].text(q) }
