package border

import (
	"encoding/json"
	"net/url"
	"slices"
	"time"

	"osp/go/access"
	"osp/go/callbacks"
	"osp/go/config"
	"osp/go/observe"
	"osp/go/policy"
	"osp/go/s3op"
	"osp/go/sigv4"
)

// outcome is what a policy makes of one request of a log.
type outcome struct {
	Allowed bool     `json:"allowed"`
	Decided question `json:"decided"`           // the question that is refused, or the first
	Missing []string `json:"missing,omitempty"` // what the log lacks, and the outcome may depend on
}

// Replay says what a policy makes of the requests of a log, both in the JSON of
// include/osp.h. Its error is a *config.MistakesError.
func Replay(document []byte) ([]byte, error) {
	r, err := config.ParseReplay(document)
	if err != nil {
		return nil, err
	}
	var now time.Time
	checker := access.New(callbacks.Set{}, access.Options{Capacity: 1, Now: func() time.Time { return now }})
	here := access.Site{Terms: access.Terms{Policies: access.Policies{r.Policy}}, Complete: r.Complete}
	outcomes := make([]outcome, len(r.Requests))
	for i := range r.Requests {
		now = r.Requests[i].Time
		outcomes[i] = replayed(checker, &r.Requests[i], here)
	}
	return json.Marshal(outcomes)
}

func replayed(checker *access.Checker, r *config.Recorded, here access.Site) (out outcome) {
	key, err := url.PathUnescape(r.Key)
	if err != nil {
		return outcome{Missing: []string{"the key"}}
	}
	what := s3op.Recorded(s3op.Operation(r.Operation), r.Method, r.Bucket, key)
	if what == nil {
		return outcome{Missing: []string{"the operation"}}
	}
	out.Missing = missing(r, here.Policies[0])
	lacks := func(what string) {
		if !slices.Contains(out.Missing, what) {
			out.Missing = append(out.Missing, what)
		}
	}
	from := &access.Origin{Client: r.Client, Secure: r.Secure, Unknown: lacks} // of condition keys
	out.Allowed = true
	who := access.Principal{AccessKey: r.Token, Session: r.Session, Mechanism: sigv4.InHeader}
	for i, e := range checker.Explain(who, what, from, here) {
		if i == 0 || out.Allowed && e.Refused {
			out.Decided = asked(e)
		}
		out.Allowed = out.Allowed && !e.Refused
		if r.Session != nil && r.Session.Role != "" && e.Refused && e.Effect == policy.None {
			lacks("the role's policy") // which may allow it
		}
	}
	if out.Allowed && copies[what.Operation] {
		lacks("the source")
	}
	return out
}

// missing is what the log lacks of a request by itself.
func missing(r *config.Recorded, p *policy.Policy) (list []string) {
	if r.Session != nil && p.LooksCloser() {
		list = append(list, "the session's claims and tags")
	}
	if observe.IsShortened(r.Token) {
		list = append(list, "the whole access key")
	}
	if s3op.Operation(r.Operation) == s3op.DeleteObjects {
		list = append(list, "the keys of the list")
	}
	return list
}

// copies are the operations that name a second object.
var copies = map[s3op.Operation]bool{s3op.CopyObject: true, s3op.UploadPartCopy: true, s3op.RenameObject: true}
