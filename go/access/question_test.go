package access

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"osp/go/callbacks"
	"osp/go/s3op"
	"osp/go/sigv4"
)

var alice = Principal{AccessKey: "alice", Region: "eu-west-1", Mechanism: sigv4.InQuery}

// wanted is a request target that a client might send, or somebody might wonder about.
func wanted(t *testing.T, method, target string, header http.Header) *s3op.Request {
	t.Helper()
	r, err := s3op.Parse(method, target, "", header)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// shown is what a validator is shown of a question.
func shown(t *testing.T, seesRequest bool, question func() Question) *callbacks.Request {
	t.Helper()
	var seen *callbacks.Request
	o := &owner{decide: func(r *callbacks.Request) (callbacks.Decision, error) {
		seen = r
		return callbacks.Decision{Allow: true}, nil
	}}
	c := New(o.callbacks(seesRequest), Options{Capacity: 1})
	q := question()
	if err := c.Check(t.Context(), &q).Refusal(); err != nil {
		t.Fatal(err)
	}
	return seen
}

func TestAQuestionNeedsNoRequestInFlight(t *testing.T) {
	what := wanted(t, "PUT", "/photos/a%20b?versionId=v&X-Amz-Signature=0", http.Header{"X-Amz-Copy-Source": {"/other/key"}})
	from := Origin{Client: "192.0.2.1", ContentLength: -1}
	for sees, want := range map[bool]*callbacks.Request{
		false: {Token: "alice", Bucket: "photos"},
		true: {
			Token: "alice", Bucket: "photos", Method: "PUT", Path: "/photos/a%20b", RawPath: "/photos/a%20b",
			Query: []callbacks.Param{{Name: "versionId", Value: "v"}}, Source: "192.0.2.1", Operation: string(what.Operation), Key: "a b",
			VersionID: "v", Region: "eu-west-1", Presigned: true, ClientIP: "192.0.2.1", ContentLength: -1, CopySource: "other/key",
		},
	} {
		seen := shown(t, sees, func() Question { return About(alice, what, &from, Terms{TTL: time.Hour}) })
		if !reflect.DeepEqual(seen, want) {
			t.Errorf("it sees the request: %v\ngot  %+v\nwant %+v", sees, seen, want)
		}
	}
}

func TestOnlyPresignedURLsAreCalledPresigned(t *testing.T) {
	what := wanted(t, "GET", "/photos/k", nil)
	for _, m := range []sigv4.Mechanism{sigv4.InHeader, sigv4.InQuery, sigv4.InForm, sigv4.Nowhere} {
		who := Principal{AccessKey: "alice", Mechanism: m}
		seen := shown(t, true, func() Question { return About(who, what, &Origin{}, Terms{TTL: 0}) })
		if seen.Presigned != (m == sigv4.InQuery) {
			t.Errorf("%s: presigned %v", m, seen.Presigned)
		}
	}
}

func TestOfKeysThatEncryptOnlyTheNamesAreShown(t *testing.T) {
	const field = "X-Amz-Server-Side-Encryption-Customer-Key"
	what := wanted(t, "PUT", "/photos/k?"+strings.ToLower(field)+"=SECRET&versionId=v", nil)
	from := Origin{Header: func() http.Header { return http.Header{field: {"SECRET"}, "X-Amz-Meta-A": {"b"}} }}
	seen := shown(t, true, func() Question { return About(alice, what, &from, Terms{TTL: 0}) })
	if len(seen.Query) != 2 || seen.Query[0].Value != notShown || seen.Query[1].Value != "v" {
		t.Errorf("the query is %v", seen.Query)
	}
	if header := seen.Header(); header.Get(field) != notShown || header.Get("X-Amz-Meta-A") != "b" {
		t.Errorf("the headers are %v", header)
	}
}

func TestDerivedQuestionsLeaveTheFirstAsItIs(t *testing.T) {
	what := wanted(t, "GET", "/photos/k?versionId=v&x-id=GetObject", nil)
	first := func() Question { return About(alice, what, &Origin{ContentLength: 7}, Terms{TTL: time.Hour}) }
	before := shown(t, true, first)
	source := &s3op.CopySource{Bucket: "other", Key: "a b", VersionID: "w"}
	for name, c := range map[string]struct {
		derive func(*Question) *Question
		ttl    time.Duration
		change func(*callbacks.Request)
	}{
		"another version": {func(q *Question) *Question { return q.Version("w") }, time.Hour, func(r *callbacks.Request) {
			r.VersionID, r.Query = "w", []callbacks.Param{{Name: "versionId", Value: "w"}, r.Query[1]}
		}},
		"another operation": {func(q *Question) *Question { return q.Instead(s3op.DeleteObject) }, time.Hour, func(r *callbacks.Request) {
			r.Operation = "DeleteObject"
		}},
		"a deletion": {func(q *Question) *Question { return q.Deletion("l", "w") }, time.Hour, func(r *callbacks.Request) {
			r.Key, r.Path, r.VersionID, r.ContentLength = "l", "/photos/l", "w", 0
		}},
		"a source": {func(q *Question) *Question {
			return q.Source(source, "DELETE", s3op.DeleteObject, Terms{TTL: time.Minute})
		}, time.Minute, func(r *callbacks.Request) {
			r.Bucket, r.Key, r.VersionID, r.Path, r.ContentLength = "other", "a b", "w", "/other/a%20b", 0
			r.Method, r.Operation, r.Query = "DELETE", "DeleteObject", []callbacks.Param{{Name: "versionId", Value: "w"}}
		}},
		"a listing": {func(q *Question) *Question { return q.Listing("other", Terms{TTL: time.Minute}) }, time.Minute, func(r *callbacks.Request) {
			r.Bucket, r.Path, r.Operation, r.Query = "other", "/other", "ListObjects", nil
		}},
	} {
		var q Question
		seen := shown(t, true, func() Question {
			q = first()
			return *c.derive(&q)
		})
		want := *before
		c.change(&want)
		if !reflect.DeepEqual(*seen, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", name, *seen, want)
		}
		if ttl := c.derive(&q).TTL; ttl != c.ttl {
			t.Errorf("%s: a decision would be kept for %v", name, ttl)
		}
		if !reflect.DeepEqual(q.request, *before) {
			t.Errorf("%s changed the question that it was derived from: %+v", name, q.request)
		}
	}
}
