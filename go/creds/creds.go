// Package creds finds keys, on both sides of the proxy: the secret with which a
// client should have signed (ClientKeys), and the credentials with which its
// request goes on to a store (Resolver): the entry's own first, or of
// the role that it assumes, else those that the owner's fetcher gives for the
// client's token and the bucket. It
// keeps the fetchers' answers, those for stores per token and bucket, so that
// one client's credentials never serve another. It signs nothing and never
// logs.
package creds

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"osp/go/cache"
	"osp/go/callbacks"
	"osp/go/s3err"
	"osp/go/secret"
	"osp/go/shared"
	"osp/go/stores"
)

// DefaultCapacity is how many of the fetcher's answers are kept at a time.
const DefaultCapacity = 4096

// expiryMargin is how long before their expiration credentials are no longer
// served from the cache: the store must still accept them when they arrive.
const expiryMargin = 10 * time.Second

var errNoCredentials = errors.New("the entry in cos_map has no credentials and there is no bucket_creds_fetcher")

// Credentials open a store: an HMAC pair, with or without a session token, or
// a bearer token.
type Credentials struct {
	AccessKey    string
	SecretKey    secret.Value // goes with AccessKey
	SessionToken secret.Value // goes with AccessKey; may be empty
	Bearer       secret.Value // alternative to AccessKey
	Expires      time.Time    // zero: not known, or never
}

// Bearer exchanges IBM API keys for bearer tokens, as iam.Exchange does.
type Bearer interface {
	// Token returns the token for a key, one that was asked for no earlier than
	// after, and says when it expires. Its errors are answers of package s3err.
	Token(ctx context.Context, apiKey secret.Value, after time.Time) (token secret.Value, expires time.Time, err error)
	// Reject asks for another token after a store refused this one, which serves until
	// there is one. The error says why there is none.
	Reject(ctx context.Context, apiKey, token secret.Value) error
}

// Roles assumes the roles of entries, as assume.Roles does.
type Roles interface {
	// Keys returns keys for a role, of a session that began no earlier than after.
	// Its errors are answers of package s3err.
	Keys(ctx context.Context, role stores.RoleHandle, after time.Time) (Credentials, error)
	// Reject asks for other keys after a store refused these, which serve until there
	// are some. The error says why there are none.
	Reject(ctx context.Context, role stores.RoleHandle, used Credentials) error
}

// Fetch is callbacks.Set.BucketCredsFetcher.
type Fetch = callbacks.Callback[callbacks.BucketCredsQuestion, secret.Text]

// Options of a Resolver or a ClientKeys. The zero value is usable.
type Options struct {
	Capacity int              // answers of the fetcher kept; 0: DefaultCapacity
	Now      func() time.Time // nil: time.Now
	Shared   *shared.State    // with whom the answers are shared; nil: with nobody
}

func (o Options) withDefaults() Options {
	if o.Capacity == 0 {
		o.Capacity = DefaultCapacity
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Resolver is safe for concurrent use. Make it with New.
type Resolver struct {
	fetch     Fetch
	bearer    Bearer
	roles     Roles
	now       func() time.Time
	shared    *shared.State
	fetched   *cache.Cache[key, answer]
	confirmed *cache.Cache[refused, Credentials]
	forgotten *forgotten
}

// key holds the token's hash: tokens are kilobytes long, and secrets of sorts.
// The entry is part of it because credentials for one store must not go to the
// store that an update put in its place.
type key struct {
	token  [sha256.Size]byte
	bucket string
	entry  *stores.Bucket
}

func keyOf(b *stores.Bucket, token string) key {
	return key{sha256.Sum256([]byte(token)), b.Name, b.Entry()}
}

// New makes a Resolver. fetch is nil when the owner gave no fetcher.
func New(fetch Fetch, bearer Bearer, roles Roles, o Options) *Resolver {
	o = o.withDefaults()
	r := &Resolver{
		fetch: fetch, bearer: bearer, roles: roles, now: o.Now, shared: o.Shared,
		fetched:   cache.New[key, answer](o.Capacity, o.Now),
		confirmed: cache.New[refused, Credentials](o.Capacity, o.Now),
		forgotten: newForgotten(),
	}
	if o.Shared != nil {
		r.fetched.Trust(o.Shared.Generation, shared.Moment)
		r.confirmed.Trust(o.Shared.Generation, shared.Moment)
	}
	return r
}

// For returns the credentials for a bucket's store on behalf of a client's
// token. Its errors are answers of package s3err: AccessDenied when there are
// no credentials or the fetcher raised or answered nonsense, SlowDown when it
// was not asked or did not answer in time, and those of the exchanges; or ctx's own
// error.
func (r *Resolver) For(ctx context.Context, b *stores.Bucket, token string) (Credentials, error) {
	switch {
	case !b.Role.None():
		return r.roles.Keys(ctx, b.Role, r.forgotten.last(token, b.Name))
	case b.AccessKey != "":
		return Credentials{AccessKey: b.AccessKey, SecretKey: b.SecretKey}, nil
	case !b.APIKey.Empty():
		return r.exchange(ctx, b, token, b.APIKey)
	case r.fetch == nil:
		return Credentials{}, s3err.AccessDenied.Because(errNoCredentials)
	}
	a, err := r.ask(ctx, b, token)
	if err != nil {
		return Credentials{}, callbacks.Refusal(ctx, err)
	}
	if !a.apiKey.Empty() {
		return r.exchange(ctx, b, token, a.apiKey)
	}
	return a.Credentials, nil
}

func (r *Resolver) ask(ctx context.Context, b *stores.Bucket, token string) (answer, error) {
	k := keyOf(b, token)
	if a, ok := r.fetched.Lookup(k); ok {
		return a, nil
	}
	get := r.fetched.Get
	if b.TTL == 0 { // unless an answer brings its own
		get = r.fetched.Ask
	}
	load := func(ctx context.Context) (cache.Entry[answer], error) {
		raw, err := r.fetch(ctx, callbacks.BucketCredsQuestion{Token: token, Bucket: b.Name})
		if err != nil {
			return cache.Entry[answer]{}, fmt.Errorf("bucket_creds_fetcher: %w", forAll(err))
		}
		a, err := parseAnswer(raw, r.now())
		if err != nil {
			return cache.Entry[answer]{}, fmt.Errorf("bucket_creds_fetcher: %w", err)
		}
		ttl := r.keepFor(a, b.TTL)
		return cache.Entry[answer]{Value: a, TTL: ttl, RefreshAfter: cache.Ahead(ttl)}, nil
	}
	if r.shared != nil && b.TTL != 0 {
		load = shared.Load(r.shared, itemOf(b, token), answers, load)
	}
	return get(ctx, k, load)
}

// forAll makes that the owner could not answer in time, which says nothing about
// anybody, the answer to all who waited: each of them would wait as long again,
// and take a place from others.
func forAll(err error) error {
	if errors.Is(err, callbacks.ErrOverloaded) {
		return cache.ForAll(err)
	}
	return err
}

// keepFor is the answer's own ttl, else the bucket's, cut at its expiration.
func (r *Resolver) keepFor(a answer, ttl time.Duration) time.Duration {
	if a.ttl != nil {
		ttl = *a.ttl
	}
	if !a.Expires.IsZero() {
		ttl = min(ttl, a.Expires.Sub(r.now())-expiryMargin)
	}
	return ttl
}

func (r *Resolver) exchange(ctx context.Context, b *stores.Bucket, client string, apiKey secret.Value) (Credentials, error) {
	token, expires, err := r.bearer.Token(ctx, apiKey, r.forgotten.last(client, b.Name))
	if err != nil {
		return Credentials{}, err
	}
	return Credentials{Bearer: token, Expires: expires}, nil
}

// Stats says how useful the remembered answers of the fetcher were.
func (r *Resolver) Stats() cache.Stats { return r.fetched.Stats() }

// Forget drops the fetcher's answers that any of these revocations is about. Bearer
// tokens and keys of roles that were asked for before serve nobody whom it is about
// any more.
func (r *Resolver) Forget(list ...shared.Revocation) {
	for _, one := range list { // first: what looks at it from now on may be kept
		if one.OnlySessions() {
			continue
		}
		r.forgotten.mark(one.Token, one.Bucket, r.now())
	}
	revoked := shared.RevokedBy(list)
	r.fetched.DeleteFunc(func(k key, _ answer) bool { return revoked.About(k.token, k.bucket) })
	r.confirmed.DeleteFunc(func(k refused, _ Credentials) bool { return revoked.About(k.token, k.bucket) })
}
