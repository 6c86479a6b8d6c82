// Package roles says who gets a session: by what the configuration says about a role,
// and by the owner's callback, which narrows that and alone decides about other roles. It
// issues no keys and looks at no signature: whom it is asked about is proven.
package roles

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"osp/go/access"
	"osp/go/cache"
	"osp/go/callbacks"
	"osp/go/identity"
	"osp/go/s3err"
	"osp/go/session"
	"osp/go/shared"
)

// What holds where nothing else is said.
const (
	DefaultMin = 15 * time.Minute
	DefaultMax = time.Hour
	Longest    = 12 * time.Hour
)

// longestUnsaid bounds the sessions of those who sign with keys for a while that do not
// say how long, as AWS bounds what roles get by roles.
const longestUnsaid = time.Hour

// Settings are what the configuration says. They are immutable.
type Settings struct {
	Issuers []identity.Issuer
	Roles   map[string]*Role
}

// Request is somebody's wish to have a session.
type Request struct {
	Action         string // of STS
	Role           string // empty: GetSessionToken
	SessionName    string
	ExternalID     string
	SourceIdentity string
	Duration       time.Duration // zero: not said
	Policies       []string      // JSON, understood already; each narrows
	Tags           map[string]string
	ClientIP       string

	// Since is when the request came, before anybody was asked about it: what is revoked
	// later ends the session. Zero: now.
	Since time.Time

	Identity *identity.Identity // of who has shown a token; else nil
	Caller   *access.Principal  // who has signed; else nil
}

// Options of Roles. The zero value is suitable for production.
type Options struct {
	Now func() time.Time // nil: time.Now
}

// Roles is safe for concurrent use. Make it with New.
type Roles struct {
	assumer *assumer // nil: there is no callback
	now     func() time.Time

	updating sync.Mutex
	current  atomic.Pointer[current]
}

// current are settings with what has been made of them.
type current struct {
	Settings
	verifier *identity.Verifier
	bearers  *cache.Cache[bearing, *session.Session] // by these settings
}

// New makes Roles by what the owner has said. It asks nobody yet.
func New(settings Settings, owner callbacks.Callback[*callbacks.RoleQuestion, callbacks.RoleAnswer], o Options) *Roles {
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Roles{now: o.Now}
	if owner != nil {
		r.assumer = newAssumer(owner, o.Now)
	}
	r.current.Store(&current{settings, identity.New(settings.Issuers, identity.Options{Now: o.Now}), newBearers(o.Now)})
	return r
}

// Update replaces the settings. Issuers that stay the same keep their keys.
func (r *Roles) Update(change func(Settings) Settings) {
	r.updating.Lock()
	defer r.updating.Unlock()
	before := r.current.Load()
	after := change(before.Settings)
	r.current.Store(&current{after, before.verifier.With(after.Issuers), newBearers(r.now)})
}

// Settings are those that hold now.
func (r *Roles) Settings() Settings { return r.current.Load().Settings }

// Verify is identity.Verifier's, by the issuers that hold now.
func (r *Roles) Verify(ctx context.Context, raw string) (*identity.Identity, error) {
	return r.current.Load().verifier.Verify(ctx, raw)
}

// Forget drops what the callback has said, and what followed for bearers of tokens,
// after any revocation: they are rare.
func (r *Roles) Forget(...shared.Revocation) {
	r.current.Load().bearers.DeleteFunc(func(bearing, *session.Session) bool { return true })
	if r.assumer != nil {
		r.assumer.forget()
	}
}

// Assume returns the session that a request gets; its keys are still to be issued. Its
// errors are values of package s3err: AccessDenied, ValidationError, and SlowDown if the
// callback was not asked in time; or ctx's own.
func (r *Roles) Assume(ctx context.Context, q *Request) (session.Session, error) {
	if q.Caller != nil && q.Caller.Session != nil {
		return r.again(q, q.Caller.Session)
	}
	role := r.current.Load().Roles[q.Role]
	wish := &wish{Request: q, now: r.now()}
	if wish.since = q.Since; wish.since.IsZero() {
		wish.since = wish.now
	}
	var err error
	switch {
	case (q.Identity == nil) == (q.Caller == nil):
		err = q.denied(refusal("nobody or two ask"))
	case role != nil:
		err = wish.byRole(role)
	case r.assumer == nil:
		err = q.denied(refusal("the role is not configured"))
	default:
		err = wish.byNoRole()
	}
	if err == nil && r.assumer != nil {
		err = r.assumer.narrow(ctx, wish)
	}
	if err == nil { // bounds are not told to whom the role is not for
		err = wish.inBounds()
	}
	if err == nil && (wish.session.Token == "" || len(wish.session.Token) > maxText) {
		err = q.denied(refusal("its token is too long, or nobody has named one"))
	}
	if err == nil && len(wish.session.Policies) > session.MostPolicies {
		err = validation("The session has too many policies.")
	}
	if err != nil {
		return session.Session{}, err
	}
	wish.session.Expires = wish.expires()
	if !wish.session.Expires.After(wish.now) {
		return session.Session{}, q.denied(refusal("what it was asked for by ends now"))
	}
	return wish.session, nil
}

// maxText bounds what names a session, in bytes.
const maxText = 2048

// again is for who holds a session: no more than the same one, narrowed.
func (r *Roles) again(q *Request, held *session.Session) (session.Session, error) {
	policies := slices.Concat(held.Policies, q.Policies)
	switch {
	case q.Role == "" || q.Role != held.Role || r.Stands(held) != nil:
		return session.Session{}, q.denied(refusal("a session gets no other role"))
	case len(q.Tags) > 0 || q.SourceIdentity != "" && q.SourceIdentity != held.SourceIdentity:
		return session.Session{}, q.denied(refusal("a session stays whose it is"))
	case len(policies) > session.MostPolicies:
		return session.Session{}, validation("The session has too many policies.")
	}
	length := q.Duration
	if length == 0 {
		length = DefaultMax
	}
	s, err := held.Again()
	if err != nil {
		return s, q.denied(err)
	}
	s.Policies = policies
	if !held.Named {
		s.Name = q.SessionName
	}
	if ends := r.now().Add(length); ends.Before(s.Expires) {
		s.Expires = ends
	}
	return s, nil
}

func (q *Request) denied(because error) error {
	return s3err.AccessDenied.Msg("Not authorized to perform sts:" + q.Action).Because(because)
}

func validation(message string) error {
	return s3err.New(http.StatusBadRequest, "ValidationError", message)
}

// wish is a request on its way to a session.
type wish struct {
	*Request
	now     time.Time
	since   time.Time
	session session.Session
	length  time.Duration // at most
	low     time.Duration // that the client may ask for
	high    time.Duration // likewise
	latest  time.Time     // zero: whenever
}

// byRole begins with what a role says.
func (w *wish) byRole(r *Role) error {
	subject, issuer, claims, err := w.admit(r)
	if err == nil {
		err = r.admitTags(w.Tags)
	}
	if err != nil {
		return w.denied(err)
	}
	w.begin(r.Token.of(r.Name, subject, issuer), r.Min, r.Max)
	w.session.Configured = true
	w.session.Claims = claims
	w.session.Tags = maps.Clone(w.Tags)
	if r.EndWithToken && w.Identity != nil {
		w.latest = w.Identity.Expires
	}
	return nil
}

func (w *wish) admit(r *Role) (subject, issuer string, claims map[string][]string, err error) {
	if w.Identity == nil {
		return w.Caller.AccessKey, "", nil, r.admitCaller(w.Caller.AccessKey, w.ExternalID)
	}
	claims, err = r.admitIdentity(w.Identity)
	return w.Identity.Subject, w.Identity.Issuer, claims, err
}

// byNoRole begins with what holds for roles about which the callback alone decides. It
// has to name their tokens: what it says to narrow a role does not give it to everybody
// once the owner has taken it away.
func (w *wish) byNoRole() error {
	token := ""
	if w.Identity == nil {
		if w.Caller.AccessKey == "" {
			return w.denied(refusal("nobody has signed"))
		}
		if w.Role == "" {
			token = w.Caller.AccessKey
		}
	}
	w.begin(token, DefaultMin, Longest)
	return nil
}

func (w *wish) begin(token string, low, high time.Duration) {
	w.session = session.Session{
		Role: w.Role, Name: w.SessionName, Token: token, SourceIdentity: w.SourceIdentity, Policies: slices.Clone(w.Policies),
		Since: w.since,
	}
	if w.Identity != nil {
		w.session.Issuer, w.session.Subject = w.Identity.Issuer, w.Identity.Subject
	} else {
		w.session.Caller = w.Caller.AccessKey
	}
	w.low, w.high = low, high
	w.length = min(cmp.Or(w.Duration, DefaultMax), high)
}

// inBounds refuses what the client asked for, where the role has other bounds. Each role of
// AWS's grants an hour to whoever asks for it, as SDKs in Rust always do and Hadoop for half
// of one: where that is too long they get what there is.
func (w *wish) inBounds() error {
	switch {
	case w.Duration == 0:
		return nil
	case w.Duration < w.low:
		return validation("The requested DurationSeconds is shorter than the role allows.")
	case w.Duration > max(w.high, DefaultMax):
		return validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return nil
}

func (w *wish) expires() time.Time {
	ends := w.now.Add(w.length)
	if c := w.Caller; c != nil && c.Temporary && c.Expires.IsZero() {
		ends = w.now.Add(min(w.length, longestUnsaid))
	}
	for _, latest := range []time.Time{w.latest, w.callerExpires()} {
		if !latest.IsZero() && latest.Before(ends) {
			ends = latest
		}
	}
	return ends
}

// callerExpires is when the key ends by which somebody has signed; zero: never, or
// nobody knows.
func (w *wish) callerExpires() time.Time {
	if w.Caller == nil {
		return time.Time{}
	}
	return w.Caller.Expires
}
