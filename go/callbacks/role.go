package callbacks

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// RoleQuestion asks whether somebody gets temporary keys, and which. All of it is
// proven or refused before, but for what only the client says: the name, the tags,
// the source identity and the external id.
type RoleQuestion struct {
	Action         string // of STS
	Role           string // empty: GetSessionToken
	Configured     bool   // it is one of the configuration's: else the answer decides alone
	SessionName    string
	Duration       time.Duration // zero: not said
	Tags           map[string]string
	SourceIdentity string
	ExternalID     string
	ClientIP       string

	Caller        string        // the access key of who has signed; empty: nobody has
	CallerExpires time.Time     // when that key ends; zero: never, or nobody knows
	Identity      *RoleIdentity // what an identity token proves; nil: there is none
}

// client is who has signed, or whom an identity token is about.
func (q *RoleQuestion) client() string {
	if q.Caller == "" && q.Identity != nil {
		return q.Identity.Issuer + " " + q.Identity.Subject
	}
	return q.Caller
}

// RoleIdentity is what an identity token proves.
type RoleIdentity struct {
	Issuer, Subject string
	Audiences       []string
	Claims          map[string]any // as encoding/json makes them
}

// RoleAnswer is the answer of RoleAssumer. The zero RoleAnswer is a refusal.
type RoleAnswer struct {
	Assumed bool
	Name    string              // empty: as the client has said
	Token   string              // empty: as the role says
	Claims  map[string][]string // nil: those that the role passes on
	Tags    map[string]string   // nil: those that the role lets the client set
	Policy  string              // JSON; empty: none
	Length  time.Duration       // at most; zero: not said
}

// crowd: whoever has a token of an issuer may be anybody.
func (q *RoleQuestion) crowd() crowd { return crowdOf(q.Caller) }

// Digest stands for all that the callback sees.
func (q *RoleQuestion) Digest() [sha256.Size]byte { return sha256.Sum256(q.encode()) }

func (q *RoleQuestion) encode() []byte {
	e := newEncoder(1024)
	e.open('{')
	e.object("request")
	e.str("action", q.Action)
	e.str("role", q.Role)
	e.boolean("configured", q.Configured)
	e.str("session_name", q.SessionName)
	if q.Duration > 0 {
		e.number("duration", int64(q.Duration/time.Second))
	}
	e.object("tags")
	for _, name := range slices.Sorted(maps.Keys(q.Tags)) {
		e.str(name, q.Tags[name])
	}
	e.close('}')
	e.str("source_identity", q.SourceIdentity)
	e.str("external_id", q.ExternalID)
	e.str("client_ip", q.ClientIP)
	if q.Caller != "" {
		e.object("caller")
		e.str("access_key", q.Caller)
		if !q.CallerExpires.IsZero() {
			e.number("expires", q.CallerExpires.Unix())
		}
		e.close('}')
	}
	if q.Identity != nil {
		e.identity(q.Identity)
	}
	e.close('}')
	e.close('}')
	return e.buf
}

func (e *encoder) identity(i *RoleIdentity) {
	e.object("identity")
	e.str("issuer", i.Issuer)
	e.str("subject", i.Subject)
	e.name("audiences")
	e.open('[')
	for _, audience := range i.Audiences {
		e.item(audience)
	}
	e.close(']')
	claims, err := json.Marshal(i.Claims) // with sorted names
	if err != nil {
		panic(err) // they were JSON before
	}
	e.name("claims")
	e.buf = append(e.buf, claims...)
	e.close('}')
}

func decodeRole(answer []byte) (RoleAnswer, error) {
	var a struct {
		Assumed  *bool               `json:"assumed"`
		Name     string              `json:"name"`
		Token    string              `json:"token"`
		Claims   map[string][]string `json:"claims"`
		Tags     map[string]string   `json:"tags"`
		Policy   string              `json:"policy"`
		Duration *float64            `json:"duration"`
	}
	if err := decodeAnswer(answer, &a); err != nil {
		return RoleAnswer{}, err
	}
	if a.Assumed == nil {
		return RoleAnswer{}, errAnswer
	}
	length, err := duration(a.Duration)
	switch {
	case err != nil:
		return RoleAnswer{}, err
	case length == nil:
		length = new(time.Duration)
	case *length < time.Second:
		return RoleAnswer{}, fmt.Errorf("%w: a duration below a second", errAnswer)
	}
	return RoleAnswer{*a.Assumed, a.Name, a.Token, a.Claims, a.Tags, a.Policy, *length}, nil
}
