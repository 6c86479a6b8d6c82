package border

import (
	"encoding/json"
	"fmt"
	"time"

	"osp/go/access"
	"osp/go/callbacks"
	"osp/go/config"
	"osp/go/names"
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/sigv4"
	"osp/go/stores"
	"osp/go/upstream"
)

// explanation is the answer of Explain.
type explanation struct {
	Allowed   bool       `json:"allowed"`
	Questions []question `json:"questions"`
}

// question is one of those that the gate would ask.
type question struct {
	Operation string `json:"operation"`
	Action    string `json:"action"` // empty: no action would be enough
	Resource  string `json:"resource"`
	Effect    string `json:"effect"`
	Policy    string `json:"policy"` // that says so, by its place in the request
	Statement string `json:"statement,omitempty"`
	Line      int    `json:"line,omitempty"`
}

// Explain says what a policy makes of a request, both in the JSON of include/osp.h.
// Its error is a *config.MistakesError.
func Explain(document []byte) ([]byte, error) {
	w, err := config.ParseWondering(document)
	if err != nil {
		return nil, err
	}
	w.Header = upstream.Canonical(w.Header)
	what, err := s3op.Parse(w.Method, w.Target, "", w.Header)
	if err == nil {
		err = unanswerable(w, what)
	}
	if err != nil {
		return nil, &config.MistakesError{Mistakes: []config.Mistake{{Path: "target", Message: s3err.From(err).Message}}}
	}
	from := &access.Origin{Client: w.Client, Secure: w.Secure, Field: func(name string) (string, bool) {
		if values := w.Header[name]; len(values) > 0 {
			return values[0], true
		}
		return what.Query.Field(name)
	}}
	checker := access.New(callbacks.Set{}, access.Options{Capacity: 1, Now: func() time.Time { return w.Now }})
	out := explanation{Allowed: true}
	who := access.Principal{AccessKey: w.Token, Session: w.Session, Mechanism: sigv4.InHeader}
	here := access.Site{
		Terms:    access.Terms{Policies: access.Policies{w.Policy, nil, w.RolePolicy}},
		Complete: w.Complete, OpaqueKeys: w.OpaqueKeys,
	}
	for _, e := range checker.Explain(who, what, from, here) {
		out.Allowed = out.Allowed && !e.Refused
		out.Questions = append(out.Questions, asked(e))
	}
	return json.Marshal(out)
}

func asked(e access.Explained) question {
	q := question{Operation: e.Operation, Action: e.Action, Resource: e.Resource, Effect: e.Effect.String(), Policy: placeOf(e.Bound)}
	if e.Statement != nil {
		q.Statement, q.Line = e.Statement.String(), e.Statement.Line
	}
	return q
}

// placeOf is where a request has a policy.
func placeOf(bound access.Bound) string {
	switch bound {
	case 0:
		return "policy"
	case access.ByRole:
		return "session.role_policy"
	}
	return fmt.Sprintf("session.policies[%d]", bound-access.ByItself)
}

// unanswerable returns why a request gets no answer of the policy's: the gate refuses
// it before, or its body, which nobody has here, says what it is about.
func unanswerable(w *config.Wondering, what *s3op.Request) error {
	switch {
	case what.Operation == s3op.DeleteObjects:
		return s3err.InvalidRequest.Msg("The keys of a list to delete are in its body; ask about each of them, by DELETE of /bucket/key.")
	case what.Operation == s3op.PostObject:
		return s3err.InvalidRequest.Msg("The key of a form is in its body; ask about it by PUT of /bucket/key.")
	case what.Unlisted != nil && !w.Unknown:
		return s3err.NotImplemented.Msg(s3err.From(what.Unlisted).Message + " Only an entry with unknown_operations lets it through.")
	}
	entry := &stores.Bucket{Remote: what.Bucket, Dialect: stores.Dialect{OpaqueKeys: w.OpaqueKeys}}
	if err := names.CheckTarget(entry, what); err != nil {
		return err
	}
	if what.RenameSource != "" {
		return names.CheckRenameSource(entry, what.RenameSource)
	}
	if what.CopySource != nil {
		return names.CheckSource(entry, what.CopySource)
	}
	return nil
}
