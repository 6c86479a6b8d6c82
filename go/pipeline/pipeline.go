// Package pipeline is the way of a request: from HTTP through parsing,
// verification, authorisation and credentials to its store, and the response
// back. Each stage returns an error; one place writes them. It never listens,
// knows neither C nor Python, whose part are the functions in callbacks.Set,
// and lets nothing pass that no stage has understood.
package pipeline

import (
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/cpu"

	"osp/go/access"
	"osp/go/assume"
	"osp/go/cache"
	"osp/go/callbacks"
	"osp/go/config"
	"osp/go/copier"
	"osp/go/creds"
	"osp/go/grants"
	"osp/go/iam"
	"osp/go/limits"
	"osp/go/observe"
	"osp/go/roles"
	"osp/go/session"
	"osp/go/shared"
	"osp/go/sigv4"
	"osp/go/stores"
	"osp/go/sts"
	"osp/go/tracing"
	"osp/go/upstream"
)

// Observer is shown what the pipeline does. It must not make a request wait.
type Observer interface {
	observe.Observer
	CallbackEnded(observe.Callback)
	ShadowCompared(outcome string) // a decision with that of the shadow
	GrantExchanged(outcome string) // by a token service: a bearer token, or the keys of a role
	Updated()                      // there are other entries now
}

// Options are what a Pipeline takes beside its configuration and the owner's
// callbacks. Requests pay only for what is there.
type Options struct {
	Log      *slog.Logger
	Observer Observer // nil: nobody observes
	// Detailed has it shown also where the client is, its Referer and its User-Agent.
	Detailed bool
	Tracer   *tracing.Tracer // nil: no traces
	Shared   *shared.State   // of the fleet; nil: the process is alone
}

// Pipeline leads every request through the same gate, whatever its kind. Make
// it with New.
type Pipeline struct {
	cfg      *config.Config
	log      *slog.Logger
	verifier *sigv4.Verifier
	clients  *creds.ClientKeys
	sessions *session.Issuer
	sts      *sts.Service
	roles    *roles.Roles
	going    *access.Sessions
	access   *access.Checker
	shadow   *access.Shadow // nil: off
	uses     *access.Uses
	limits   *limits.Table
	creds    *creds.Resolver
	iam      *iam.Exchange
	assumed  *assume.Roles
	upstream *upstream.Client
	uploads  *copier.Uploads
	started  time.Time

	serverHeader []string // of every response
	copySilence  time.Duration
	keyBodyTime  time.Duration

	updating sync.Mutex
	stores   atomic.Pointer[stores.Set] // what requests begin with

	hosts hosts
	// of whoever has shown no signature
	forms, preflights, keyBodies *semaphore

	storePlaces storePlaces

	recorder *recorder

	_        cpu.CacheLinePad // every request writes to what follows, and reads what is above
	inFlight sync.WaitGroup
	_        cpu.CacheLinePad
}

// New makes a Pipeline of a checked configuration. It opens no connection.
func New(cfg *config.Config, owner callbacks.Set, o Options) *Pipeline {
	var interceptors []callbacks.Interceptor
	exchanges := grants.Options{Shared: o.Shared}
	keys := creds.Options{Shared: o.Shared}
	if o.Observer != nil {
		interceptors = append(interceptors, observe.Questions(o.Observer.CallbackEnded))
		exchanges.Exchanged = o.Observer.GrantExchanged
	}
	owner = owner.With(append(interceptors, callbacks.Limits(cfg.CallbackConcurrency, cfg.CallbackQueue, cfg.CallbackTimeout))...)
	uses := access.UsesOptions{Shared: o.Shared, Local: cfg.Shared != nil && cfg.Shared.LocalUses}
	decisions := access.Options{Capacity: cfg.AccessCacheSize, CacheBy: cfg.AuthCacheBy}
	shadow := access.NewShadow(owner, decisions, cfg.ShadowSample, newComparisons(o).seen)
	decisions.ShowReasons, decisions.Shared, decisions.Shadow = cfg.ShowReasons, o.Shared, shadow
	tokens := iam.New(cfg.IAMEndpoint, iam.Options{Options: exchanges})
	assumed := assume.New(assume.Options{Options: exchanges, Transport: upstream.Rare})
	forwarders := forwarders{cfg.TrustedProxies}
	p := &Pipeline{
		cfg:      cfg,
		log:      o.Log,
		verifier: sigv4.New(sigv4.Options{}),
		clients:  creds.NewClientKeys(owner.HMACFetcher, cfg.SecretTTL, keys),
		sessions: session.New(cfg.Keyring, nil),
		roles:    roles.New(cfg.Roles, owner.RoleAssumer, roles.Options{}),
		going:    access.NewSessions(o.Shared),
		access:   access.New(owner, decisions),
		shadow:   shadow,
		uses:     access.NewUses(cfg.PresignUses, uses),
		limits:   limits.New(limitsOptions(o.Shared)),
		creds:    creds.New(owner.BucketCredsFetcher, tokens, assumed, keys),
		iam:      tokens,
		assumed:  assumed,
		upstream: upstream.New(),
		uploads:  copier.NewUploads(),
		started:  time.Now(),

		serverHeader: serverHeader(cfg.ServerName),
		copySilence:  copySilence,
		hosts:        hosts{forwarders: forwarders, domains: cfg.Domains},
		forms:        newSemaphore(maxForms, formsEach),
		preflights:   newSemaphore(maxPreflights, preflightsEach),
		keyBodies:    newSemaphore(maxKeyBodies, keyBodiesEach),
		keyBodyTime:  keyBodyTime,
		recorder:     newRecorder(o, forwarders),
	}
	p.sts = sts.New(sts.Options{Identify: p.roles.Verify, Assume: p.grant, Issue: p.sessions.Issue})
	p.stores.Store(&cfg.Stores)
	p.storePlaces.update(cfg.Stores.Buckets.Entries())
	return p
}

func serverHeader(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}

// Handler returns the handler for requests that come in by a scheme.
func (p *Pipeline) Handler(scheme string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.handle(scheme, w, r) })
}

// Update swaps stores, client keys, the policies, issuers, roles, the limits, or several of them. A request goes on
// with those that it began with.
func (p *Pipeline) Update(u *config.Update) {
	p.updating.Lock()
	defer p.updating.Unlock()
	before := p.stores.Load()
	after := u.Apply(before)
	p.stores.Store(after)
	p.roles.Update(u.ApplyRoles)
	p.going.End(rolesTakenAway(before, after)...)
	p.going.EndPairs(pairsTakenAway(before, after)...)
	p.upstream.Keep(after.Buckets.Entries())
	p.storePlaces.update(after.Buckets.Entries())
	if p.recorder.on() {
		p.recorder.observer.Updated()
	}
}

// rolesTakenAway ends here the sessions of roles that are gone: should one come back, they don't.
func rolesTakenAway(before, after *stores.Set) (ends []shared.Revocation) {
	now := time.Now()
	for name := range before.Roles {
		if _, stays := after.Roles[name]; !stays {
			ends = append(ends, shared.Revocation{Role: &name, At: now})
		}
	}
	return ends
}

// pairsTakenAway are the key pairs that are gone, of which each may have signed for
// sessions: should it come back, they don't.
func pairsTakenAway(before, after *stores.Set) (pairs []string) {
	for key, secret := range before.Keystore {
		if after.Keystore[key] != secret {
			pairs = append(pairs, creds.PairOf(before.Keystore, key))
		}
	}
	return pairs
}

// Forget drops everything that is remembered and that any of these revocations is
// about: decisions, credentials and client secrets; and ends sessions.
func (p *Pipeline) Forget(list ...shared.Revocation) {
	p.going.End(list...)
	p.access.Forget(list...)
	p.roles.Forget(list...)
	p.creds.Forget(list...)
	p.clients.Forget(list...)
}

// Sessions issues temporary keys, and knows them again.
func (p *Pipeline) Sessions() *session.Issuer { return p.sessions }

// Entries are the entries of cos_map as they stand.
func (p *Pipeline) Entries() []*stores.Bucket { return p.stores.Load().Buckets.Entries() }

// Running is what an update has to fit.
func (p *Pipeline) Running() config.Running {
	return config.Running{Governed: p.stores.Load().Policy != nil, Roles: p.roles.Settings()}
}

// InFlight is how many requests are under way, if there are observers.
func (p *Pipeline) InFlight() int64 { return p.recorder.running.Load() }

// Caches say how useful each cache was, by the name of what it remembers.
func (p *Pipeline) Caches() map[string]func() cache.Stats {
	return map[string]func() cache.Stats{
		"decisions": p.access.Stats, "credentials": p.creds.Stats, "secrets": p.clients.Stats, "tokens": p.iam.Stats, "store_roles": p.assumed.Stats,
	}
}

// Close waits for the last requests, which a hard stop may still unwind, tells the
// fleet what they have used up, and closes the connections to stores.
func (p *Pipeline) Close(grace time.Duration) {
	ended := make(chan struct{})
	go func() {
		p.inFlight.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(grace):
		p.log.Warn("requests were still in flight when the server stopped")
	}
	p.limits.Close(lastWord)
	p.shadow.Close()
	p.upstream.Close()
}
