package access

import (
	"crypto/x509"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"osp/go/callbacks"
	"osp/go/policy"
	"osp/go/s3op"
	"osp/go/sigv4"
	"osp/go/wire"
)

// Origin is where what is wanted comes from: the message that asks for it, if
// there is one.
type Origin struct {
	Client        string            // its address, or "unix"; empty: unknown
	Silent        bool              // that is a forwarder's, which says nothing of its client: no address for a policy
	Secure        bool              // it came by https
	Certificate   *x509.Certificate // that the client has shown, verified; nil: none
	ContentLength int64             // of the object's bytes; -1: no body or unknown
	Size          int               // bytes of memory that the message keeps as long as the question lasts
	// Header makes the fields that may be shown, anew each time: no signature, and
	// nothing that an attacker could have added. It is a function because few are
	// looked at. Nil: there are none.
	Header func() http.Header
	// Field is one of them that orders something of the store. Nil: there are none.
	Field func(name string) (value string, given bool)
	// Unknown is told of each condition key that a policy looks at whose value nobody has
	// recorded: those of the query and the header. Nil: they are known.
	Unknown func(conditionKey string)
}

// Policies are all that govern a question: the one for all entries, that of its entry,
// and that of the role of its session; nil: there is none.
type Policies [3]*policy.Policy

// ofRole is the place of a role's policy, which is a bound, too.
const ofRole = 2

// Terms are what holds for the decisions about a bucket.
type Terms struct {
	TTL      time.Duration // how long a decision of the validator's is kept that says nothing about that
	Policies Policies
	Shadow   *policy.Policy // in the place of the policy for all entries, to the shadow; nil: there is none
}

// Question is whether a principal may do something to one object or bucket. Make
// it with About; the others of a request are derived from its first. It must
// not change once it was asked: a callback may still look at it.
type Question struct {
	Terms

	request callbacks.Request // as the validator sees it
	size    int               // see Origin
	address string            // of the client; empty where it is unknown, or there is none
	secure  bool
	field   func(string) (string, bool)
	unknown func(string) // see Origin
}

// About makes the question whether who may do what a request asks for. Without a
// from it is about no more than the token and the bucket, which is for who knows
// that nobody looks at the rest.
func About(who Principal, what *s3op.Request, from *Origin, terms Terms) Question {
	q := Question{Terms: terms, request: callbacks.Request{Token: who.Token(), Bucket: what.Bucket, Session: who.Session}}
	if from == nil {
		return q
	}
	q.secure, q.size, q.field, q.unknown = from.Secure, from.Size, from.Field, from.Unknown
	if _, err := netip.ParseAddr(from.Client); err == nil && !from.Silent {
		q.address = from.Client
	}
	r := &q.request
	r.Method, r.Operation = what.Method, string(what.Operation)
	r.Path, r.RawPath, r.Key = what.Path, what.RawPath, what.Key
	r.Source, r.ClientIP = from.Client, from.Client
	r.Region, r.Presigned = who.Region, who.Mechanism == sigv4.InQuery
	r.ContentLength, r.Header, r.Certificate = from.ContentLength, from.Header, from.Certificate
	r.VersionID, _ = what.Query.Get("versionId")
	for _, p := range what.Query {
		if hidden(p.Field()) {
			p.Value = notShown
		}
		if !wire.IsSignature(p.Name) {
			r.Query = append(r.Query, callbacks.Param(p))
		}
	}
	switch source := what.CopySource; {
	case source != nil:
		r.CopySource = source.Bucket + "/" + source.Key
	case what.RenameSource != "":
		r.CopySource = what.Bucket + "/" + what.RenameSource
	}
	return q
}

// ofRole reports whether a session asks that somebody got as a role.
func (q *Question) ofRole() bool { return q.request.Session != nil && q.request.Session.Role != "" }

// Detailed reports whether the question is about more than the token and the bucket.
func (q *Question) Detailed() bool { return q.request.Method != "" }

// Version asks about another version: by another spelling of its id, or, without
// an id, about the one that is there now.
func (q *Question) Version(id string) *Question {
	other := *q
	r := &other.request
	r.VersionID, r.Query = id, slices.Clone(r.Query)
	if id == "" {
		r.Query = slices.DeleteFunc(r.Query, func(p callbacks.Param) bool { return p.Name == "versionId" })
	}
	for i := range r.Query {
		if r.Query[i].Name == "versionId" {
			r.Query[i].Value = id
		}
	}
	return &other
}

// OtherVersions ask about what a store may take for the version of the question, if
// it names one: a store that has no versions passes over the id, and MinIO takes 32
// hexadecimal digits for the UUID of these.
func (q *Question) OtherVersions(complete, opaqueKeys bool) (others []*Question) {
	asked := q.request.VersionID
	if asked == "" {
		return nil
	}
	if !complete {
		others = append(others, q.Version(""))
	}
	if id := s3op.UUID(asked); id != "" && !opaqueKeys {
		others = append(others, q.Version(id))
	}
	return others
}

// Instead asks about what a store may do instead: one that lacks the operation,
// or one that knows what S3 does not.
func (q *Question) Instead(op s3op.Operation) *Question {
	other := *q
	other.request.Operation = string(op)
	return &other
}

// Deletion asks about one key of a list to delete.
func (q *Question) Deletion(key, versionID string) *Question {
	other := *q
	r := &other.request
	r.Key, r.VersionID, r.ContentLength = key, versionID, 0
	r.Path = s3op.Path(r.Bucket, key)
	return &other
}

// Source asks for what is done to the object that a copy reads, or that a
// renaming takes away, in the name of who asks for that. The terms are those of its bucket.
func (q *Question) Source(source *s3op.CopySource, method string, op s3op.Operation, terms Terms) *Question {
	other := *q
	r := &other.request
	other.Terms = terms
	r.Bucket, r.Key, r.VersionID = source.Bucket, source.Key, source.VersionID
	r.Method, r.Operation = method, string(op)
	r.Path = s3op.Path(source.Bucket, source.Key)
	r.Query, r.CopySource, r.ContentLength = nil, "", 0
	if source.VersionID != "" {
		r.Query = []callbacks.Param{{Name: "versionId", Value: source.VersionID}}
	}
	return &other
}

// Listing asks whether one bucket may be listed. The terms are those of the bucket.
func (q *Question) Listing(bucket string, terms Terms) *Question {
	other := *q
	r := &other.request
	other.Terms = terms
	r.Bucket, r.Operation, r.Path, r.Query = bucket, string(s3op.ListObjects), s3op.Path(bucket, ""), nil
	return &other
}

const notShown = "(not shown)"

// hidden reports whether a field holds a key that encrypts an object. Nobody is
// shown more of it than its name.
func hidden(field string) bool { return strings.Contains(field, "-Customer-Key") }

// visible is what the callback gets to see of a question: never more than its
// decision is cached by, unless the owner narrowed that, and the headers: they
// are in no key, so a decision that needed them has to say Once.
func (c *Checker) visible(q *Question) *callbacks.Request {
	if !c.seesRequest {
		return &callbacks.Request{Token: q.request.Token, Bucket: q.request.Bucket}
	}
	fields := q.request.Header
	if fields == nil {
		return &q.request
	}
	r := q.request
	r.Header = func() http.Header {
		header := fields()
		for name := range header {
			if hidden(name) {
				header[name] = []string{notShown}
			}
		}
		return header
	}
	return &r
}
