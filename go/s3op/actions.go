package s3op

import (
	"slices"
	"strings"
)

// Action is what a policy calls the right to do something: an action of IAM, as
// in AWS's "Actions, resources, and condition keys for Amazon S3". Its number is
// its place among all of them.
type Action uint8

// Actions are their names, such as s3:GetObject, sorted; an Action is an index.
// The last of all, s3:Unknown, is not AWS's: what S3 does not have needs it.
func Actions() []string { return actionNames }

func (a Action) String() string { return actionNames[a] }

// Actions appends the actions that somebody needs who asks for the operation: of a
// version, or not; with the headers that are given. All of them are needed. None
// is appended for an operation that no policy can allow.
func (op Operation) Actions(to []Action, version bool, given func(field string) bool) []Action {
	n := needs[op]
	if n == nil {
		return to
	}
	if version {
		to = append(to, n.version...)
	} else {
		to = append(to, n.plain...)
	}
	for i := range n.orders {
		if given(n.orders[i].field) {
			to = append(to, n.orders[i].action)
		}
	}
	return to
}

// order is a header that has an operation do something more.
type order struct {
	field  string // in its canonical spelling
	action Action
}

type need struct {
	plain, version []Action
	orders         []order
}

// orders are the actions for what headers order, from the permissions that AWS's
// API reference names for PutObject, CopyObject, CreateMultipartUpload,
// CreateBucket, DeleteObject and PutObjectRetention. A header counts for every write of
// its scope: a store may well obey one that does not belong to the operation.
var orders = []struct {
	fields string
	at     scope
	action string
}{
	{"X-Amz-Acl X-Amz-Grant-Full-Control X-Amz-Grant-Read X-Amz-Grant-Read-Acp X-Amz-Grant-Write X-Amz-Grant-Write-Acp", object, "PutObjectAcl"},
	{"X-Amz-Acl X-Amz-Grant-Full-Control X-Amz-Grant-Read X-Amz-Grant-Read-Acp X-Amz-Grant-Write X-Amz-Grant-Write-Acp", bucket, "PutBucketAcl"},
	{"X-Amz-Tagging", object, "PutObjectTagging"},
	{"X-Amz-Object-Lock-Mode X-Amz-Object-Lock-Retain-Until-Date X-Amz-Object-Lock-Event-Hold-Duration-Days X-Amz-Object-Lock-Event-Hold-Duration-Years", object, "PutObjectRetention"},
	{"X-Amz-Object-Lock-Legal-Hold X-Amz-Object-Lock-Event-Hold", object, "PutObjectLegalHold"},
	{"Retention-Period Retention-Expiration-Date", object, "PutObjectRetention"}, // IBM's
	{"Retention-Legal-Hold-Id", object, "PutObjectLegalHold"},                    // likewise
	{"X-Amz-Bypass-Governance-Retention", object, "BypassGovernanceRetention"},
	{"X-Amz-Bypass-Governance-Retention", bucket, "BypassGovernanceRetention"}, // of DeleteObjects
	{"X-Amz-Object-Ownership", bucket, "PutBucketOwnershipControls"},
	{"X-Amz-Bucket-Object-Lock-Enabled", bucket, "PutBucketObjectLockConfiguration"},
	{"X-Amz-Bucket-Object-Lock-Enabled", bucket, "PutBucketVersioning"},
}

// unlisted is the action for what S3 does not have.
const unlisted = "Unknown"

var actionNames, needs = func() ([]string, map[Operation]*need) {
	var names []string
	for i := range model {
		names = append(names, strings.FieldsFunc(model[i].actions, func(r rune) bool { return r == ' ' || r == '|' })...)
	}
	for _, o := range orders {
		names = append(names, o.action)
	}
	slices.Sort(names)
	names = append(slices.Compact(names), unlisted)
	number := make(map[string]Action, len(names))
	for i, name := range names {
		number[name] = Action(i)
	}
	all := make(map[Operation]*need, len(model))
	for i := range model {
		all[model[i].name] = model[i].need(number)
	}
	all[PostObject] = all[PutObject]
	all[Unknown] = &need{plain: []Action{number[unlisted]}, version: []Action{number[unlisted]}}
	for i := range names {
		names[i] = "s3:" + names[i]
	}
	return names, all
}()

func (s *spec) need(number map[string]Action) *need {
	n := &need{}
	for _, text := range strings.Fields(s.actions) {
		plain, version, has := strings.Cut(text, "|")
		if !has {
			version = plain
		}
		n.plain, n.version = append(n.plain, number[plain]), append(n.version, number[version])
	}
	for _, o := range orders {
		for _, field := range strings.Fields(o.fields) {
			action := number[o.action]
			if o.at == s.at && s.name.Writes() && !slices.Contains(n.plain, action) && !slices.Contains(n.version, action) {
				n.orders = append(n.orders, order{field, action})
			}
		}
	}
	return n
}
