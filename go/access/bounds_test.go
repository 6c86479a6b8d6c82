package access

import (
	"net/http"
	"strings"
	"testing"

	"osp/go/callbacks"
	"osp/go/policy"
	"osp/go/s3op"
	"osp/go/session"
)

func TestAPolicyOfASessionIsReadOnce(t *testing.T) {
	b := newBounds()
	const document = `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::bucket/folder/*"}}`
	first, err := b.of(document)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := b.of(strings.Clone(document)); err != nil || again != first {
		t.Errorf("it was read again: %v", err)
	}
}

// What is explained is what the gate decides: the same policies are asked, each about the same.
func TestWhatIsExplainedIsWhatTheGateDecides(t *testing.T) {
	documents := []string{
		`{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}`,
		`{"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::photos/a*"}`,
		`{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}, {"Effect": "Deny", "Action": "s3:PutObjectAcl", "Resource": "*"}`,
		`{"Effect": "Allow", "Action": ["s3:PutObject", "s3:ListBucket"], "Resource": "*", "Condition": {"StringEquals": {"aws:PrincipalTag/team": "lake"}}}`,
	}
	attached := func(i int) string { return `{"Version": "2012-10-17", "Statement": [` + documents[i] + `]}` }
	requests := []struct{ method, target, name, value string }{
		{"GET", "/photos/a", "", ""}, {"GET", "/photos/b?versionId=v", "", ""}, {"PUT", "/photos/a", "x-amz-acl", "private"},
		{"PUT", "/photos/a", "x-amz-copy-source", "photos/b"}, {"GET", "/photos?list-type=2", "", ""}, {"OPTIONS", "/photos/a", "", ""},
	}
	outcomes := map[bool]int{}
	for n := range len(documents) * len(documents) * (len(documents) + 1) * len(requests) {
		everybody, own, role, ask := n%4, n/4%4, n/16%5, requests[n/80]
		header := http.Header{}
		if ask.name != "" {
			header.Set(ask.name, ask.value)
		}
		what := wanted(t, ask.method, ask.target, header)
		in := &session.Session{Token: "alice", Role: "reader", Policies: []string{attached(own)}, Tags: map[string]string{"team": "lake"}}
		terms := Terms{Policies: Policies{by(t, documents[everybody])}}
		if role < len(documents) {
			p, err := policy.ParseIdentity([]byte(attached(role)))
			if err != nil {
				t.Fatal(err)
			}
			terms.Policies[ofRole] = p
		}
		from := &Origin{Field: func(name string) (string, bool) { return header.Get(name), header.Get(name) != "" }}
		c, who, here := New(callbacks.Set{}, Options{Capacity: 1}), Principal{AccessKey: "alice", Session: in}, Site{Terms: terms}
		explained, decided := true, true
		for _, e := range c.Explain(who, what, from, here) {
			explained = explained && !e.Refused
		}
		q := About(who, what, from, terms)
		_ = q.Touched(what, here, func(*s3op.CopySource) (Site, error) { return here, nil }, func(q *Question, _ bool) error {
			decided = decided && c.Check(t.Context(), q).Allowed
			return nil
		})
		outcomes[decided]++
		if explained != decided {
			t.Errorf("%s %s for %d, %d and %d: explained %v, decided %v", ask.method, ask.target, everybody, own, role, explained, decided)
		}
	}
	if outcomes[true] < 50 || outcomes[false] < 50 {
		t.Errorf("%v", outcomes)
	}
}
