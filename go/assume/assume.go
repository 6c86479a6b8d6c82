// Package assume gets keys for stores by assuming roles at token services that speak
// AWS's STS, as AWS, MinIO and Ceph have one: with a web identity or signed by a key
// pair. One session of a role serves all entries and clients that need it; package
// grants keeps it. It never logs, and none of its errors holds a key or a token.
package assume

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"osp/go/cache"
	"osp/go/creds"
	"osp/go/grants"
	"osp/go/secret"
	"osp/go/shared"
	"osp/go/stores"
)

// Options of Roles. The zero value lacks Transport.
type Options struct {
	grants.Options
	Transport func(stores.Transport) (http.RoundTripper, error) // upstream.Rare
}

// Roles is safe for concurrent use. Make it with New.
type Roles struct {
	transport func(stores.Transport) (http.RoundTripper, error)
	now       func() time.Time
	sessions  *grants.Keeper[stores.RoleHandle, keys]
}

// keys are those of one session.
type keys struct {
	access          string
	secret, session secret.Value
}

type grant = grants.Grant[keys]

// New makes a Roles.
func New(o Options) *Roles {
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Roles{transport: o.Transport, now: o.Now}
	r.sessions = grants.New(grants.Service[stores.RoleHandle, keys]{
		Name:    "STS",
		Refusal: "The token service refused the role that this endpoint assumes for the bucket.",
		Ask:     r.ask,
		Kind:    "assumed role",
		Key:     known,
		Encode:  encode,
		Decode:  decode,
	}, o.Options)
	return r
}

// Keys returns keys for a role: those of a session that began after a point in time,
// which is zero if any will do. Its errors are those of grants.Keeper.
func (r *Roles) Keys(ctx context.Context, role stores.RoleHandle, after time.Time) (creds.Credentials, error) {
	g, err := r.sessions.Get(ctx, role, after)
	if err != nil {
		return creds.Credentials{}, err
	}
	return creds.Credentials{AccessKey: g.Value.access, SecretKey: g.Value.secret, SessionToken: g.Value.session, Expires: g.Expires}, nil
}

// Reject asks for another session of a role if these, which a store has refused, are the
// keys of the one that there is. That serves until there is another.
func (r *Roles) Reject(ctx context.Context, role stores.RoleHandle, used creds.Credentials) error {
	return r.sessions.Reject(ctx, role, func(k keys) bool { return k.access == used.AccessKey && k.session == used.SessionToken })
}

// ask makes one exchange. An error is worth another attempt, after at least wait.
func (r *Roles) ask(ctx context.Context, of stores.RoleHandle) (g grant, wait time.Duration, err error) {
	role, asked := of.Role(), r.now()
	t, err := r.transport(role.Transport)
	if err != nil {
		return grant{}, 0, err
	}
	req, err := request(ctx, role, asked)
	if err != nil {
		return grant{}, 0, err
	}
	resp, wait, err := grants.Send(t, req)
	if err != nil {
		return grant{}, wait, err
	}
	if resp.Status == http.StatusOK {
		g, err := readKeys(resp, role, asked)
		return g, 0, err
	}
	code := errorCode(resp.Body)
	if passing(code) {
		return grant{}, 0, fmt.Errorf("status %d %s", resp.Status, code)
	}
	return grant{Asked: asked, Refused: fmt.Sprintf("STS responded with %d %s", resp.Status, strconv.QuoteToASCII(code))}, 0, nil
}

// Stats says how useful the sessions have been.
func (r *Roles) Stats() cache.Stats { return r.sessions.Stats() }

// known is what a fleet knows a role by. Whom an entry trusts on the way to the service belongs
// to it: none must get keys over a connection that it would not trust itself.
func known(of stores.RoleHandle) string {
	r := of.Role()
	return shared.Fields(
		r.Endpoint, r.Region, strconv.FormatBool(r.VerifyTLS), r.CA, r.Cert, r.Key.Reveal(), strconv.FormatBool(r.TrustEnv),
		r.ARN, r.SessionName, r.ExternalID, r.Duration.String(), r.TokenFile, r.AccessKey, r.SecretKey.Reveal(),
	)
}

// wireKeys are keys as a fleet shares them, where they are sealed.
type wireKeys struct {
	Access  string `json:"a"`
	Secret  string `json:"s"`
	Session string `json:"t"`
}

func encode(k keys) []byte {
	b, err := json.Marshal(wireKeys{k.access, k.secret.Reveal(), k.session.Reveal()})
	if err != nil {
		panic(err) // texts
	}
	return b
}

func decode(b []byte) (keys, bool) {
	var w wireKeys
	if json.Unmarshal(b, &w) != nil {
		return keys{}, false
	}
	return keys{w.Access, secret.New(w.Secret), secret.New(w.Session)}, w.Access != "" && w.Secret != "" && w.Session != ""
}
