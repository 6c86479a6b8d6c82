package border

import (
	"encoding/json"
	"time"

	"osp/go/access"
	"osp/go/callbacks"
	"osp/go/config"
	"osp/go/policy"
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/sigv4"
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
	what, err := s3op.Parse(w.Method, w.Target, "", w.Header)
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
	who := access.Principal{AccessKey: w.Token, Mechanism: sigv4.InHeader}
	for _, e := range checker.Explain(who, what, from, access.Policies{w.Policy}, w.Complete) {
		q := question{Operation: e.Operation, Action: e.Action, Resource: e.Resource, Effect: e.Effect.String()}
		if e.Statement != nil {
			q.Statement, q.Line = e.Statement.String(), e.Statement.Line
		}
		out.Allowed = out.Allowed && e.Effect == policy.Allow
		out.Questions = append(out.Questions, q)
	}
	return json.Marshal(out)
}
