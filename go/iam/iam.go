// Package iam exchanges IBM Cloud API keys for bearer tokens, and keeps each
// token until shortly before it expires: one exchange for a key, however many
// buckets and clients need it. It never logs, and none of its errors names a
// key.
package iam

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"osp/go/cache"
	"osp/go/s3err"
	"osp/go/secret"
	"osp/go/shared"
	"osp/go/wire"
)

const (
	capacity      = 4096
	maxAnswer     = 1 << 20
	attempts      = 4
	attemptTime   = 10 * time.Second
	firstPause    = 250 * time.Millisecond
	longestPause  = 5 * time.Second
	longestToken  = 24 * time.Hour
	expiryMargin  = 30 * time.Second // a token must still be valid when the store sees it
	keepRefusal   = 5 * time.Second  // so that a wrong key does not cause an exchange for every request
	grantType     = "urn:ibm:params:oauth:grant-type:apikey"
	maxErrorShown = 64
)

// Options of an Exchange. The zero value is suitable for production.
type Options struct {
	Transport http.RoundTripper // nil: one of its own, without a proxy
	Now       func() time.Time  // nil: time.Now
	// Exchanged is called when an exchange has ended: Granted, Refused or
	// Failed, the last one for each attempt. It may be nil.
	Exchanged func(outcome string)
	Shared    *shared.State // with whom tokens are shared; nil: with nobody
}

// How an exchange can end.
const (
	Granted = "granted"
	Refused = "refused" // by IAM: the key is wrong
	Failed  = "failed"  // IAM could not be asked, or its response made no sense
)

// Exchange is safe for concurrent use. Make it with New.
type Exchange struct {
	endpoint string
	client   *http.Client
	now      func() time.Time
	told     func(outcome string)
	shared   *shared.State
	tokens   *cache.Cache[[sha256.Size]byte, grant]
}

// grant is what IAM said about a key: a token, or a refusal.
type grant struct {
	token   secret.Value
	asked   time.Time
	expires time.Time
	refused string // by IAM, and how; empty: it is granted
}

// New returns an Exchange with the token service at a URL.
func New(endpoint string, o Options) *Exchange {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Exchanged == nil {
		o.Exchanged = func(string) {}
	}
	if o.Transport == nil {
		o.Transport = &http.Transport{
			Proxy:                 nil, // a proxy from the environment would see every key
			DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			ForceAttemptHTTP2:     true,
			MaxIdleConns:          8,
			IdleConnTimeout:       time.Minute,
			TLSHandshakeTimeout:   5 * time.Second,
			ResponseHeaderTimeout: attemptTime,
		}
	}
	e := &Exchange{
		endpoint: endpoint,
		shared:   o.Shared,
		client: &http.Client{
			Transport: o.Transport,
			Timeout:   attemptTime,
			// A redirect would carry the key to wherever it points.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		now:    o.Now,
		told:   o.Exchanged,
		tokens: cache.New[[sha256.Size]byte, grant](capacity, o.Now),
	}
	if o.Shared != nil {
		e.tokens.Trust(o.Shared.Generation, shared.Moment)
	}
	return e
}

// Token returns the bearer token for an API key, and when it expires: one that
// was asked for after a point in time, which is zero if any will do. After four
// fifths of its life a new one is fetched in the background; an outage of IAM
// shows only when the old one has expired.
//
// Errors are values of package s3err, AccessDenied if IAM refuses the key and
// ServiceUnavailable if it can't be asked; or ctx's own.
func (e *Exchange) Token(ctx context.Context, apiKey secret.Value, after time.Time) (secret.Value, time.Time, error) {
	k := sha256.Sum256([]byte(apiKey.Reveal()))
	g, err := e.grant(ctx, k, apiKey)
	if err == nil && g.asked.Before(after) {
		g, err = e.newer(ctx, k, apiKey, after)
	}
	if err != nil {
		return secret.Value{}, time.Time{}, err
	}
	return g.token, g.expires, refusalOf(g)
}

// refusalOf is what a client is told, nil if there is a token.
func refusalOf(g grant) error {
	if g.refused == "" {
		return nil
	}
	return s3err.AccessDenied.
		Msg("The token service refused the API key that this endpoint holds for the bucket.").
		Because(errors.New(g.refused))
}

func (e *Exchange) grant(ctx context.Context, k [sha256.Size]byte, apiKey secret.Value) (grant, error) {
	if g, ok := e.tokens.Lookup(k); ok {
		return g, nil
	}
	load := func(ctx context.Context) (cache.Entry[grant], error) { return e.load(ctx, apiKey) }
	if e.shared != nil {
		load = shared.Load(e.shared, e.item(apiKey), e.codec(), load)
	}
	return e.tokens.Get(ctx, k, load)
}

// newer returns a token that was asked for after a point in time. Those of other
// replicas are not looked at: they were good enough for others, so they would come
// again and again.
func (e *Exchange) newer(ctx context.Context, k [sha256.Size]byte, apiKey secret.Value, after time.Time) (grant, error) {
	load := func(ctx context.Context) (cache.Entry[grant], error) { return e.load(ctx, apiKey) }
	e.tokens.DeleteIf(k, func(g grant) bool { return g.asked.Before(after) })
	g, err := e.tokens.Get(ctx, k, load)
	if err == nil && g.asked.Before(after) { // of a load that was under way
		g, err = e.tokens.Ask(ctx, k, load)
	}
	return g, err
}

// Reject drops the token for an API key, which a store has refused, so that the
// next Token is a new one. A token that is only a few seconds old is kept:
// another one would fare no better, and clients must not make IAM busy.
func (e *Exchange) Reject(apiKey, token secret.Value) {
	k := sha256.Sum256([]byte(apiKey.Reveal()))
	rejected := false
	e.tokens.DeleteIf(k, func(g grant) bool {
		rejected = g.token == token && e.now().Sub(g.asked) >= keepRefusal
		return rejected
	})
	if e.shared != nil && rejected {
		shared.Discard(e.shared, e.item(apiKey), e.codec(), func(g grant) bool { return g.token == token })
	}
}

func (e *Exchange) load(ctx context.Context, apiKey secret.Value) (cache.Entry[grant], error) {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		g, wait, err := e.ask(ctx, apiKey)
		switch {
		case err == nil && g.refused != "":
			e.told(Refused)
			return cache.Entry[grant]{Value: g, TTL: keepRefusal}, nil
		case err == nil:
			e.told(Granted)
			ttl := g.expires.Sub(e.now()) - expiryMargin
			return cache.Entry[grant]{Value: g, TTL: ttl, RefreshAfter: cache.Ahead(ttl)}, nil
		}
		e.told(Failed)
		if attempt == attempts || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return cache.Entry[grant]{}, cache.ForAll(s3err.ServiceUnavailable.Because(fmt.Errorf("IAM, after %d attempts: %w", attempt, err)))
		}
		// Full jitter; otherwise many proxies that saw the same outage would
		// return at once.
		wait = max(wait, time.Duration(rand.Int64N(int64(pause))))
		pause *= 2
		select {
		case <-time.After(min(wait, longestPause)):
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) { // nobody waits; past a deadline there is a last attempt, which fails
				return cache.Entry[grant]{}, ctx.Err()
			}
		}
	}
}

// ask makes one exchange. An error is worth another attempt, after at least wait.
func (e *Exchange) ask(ctx context.Context, apiKey secret.Value) (g grant, wait time.Duration, err error) {
	form := url.Values{"grant_type": {grantType}, "apikey": {apiKey.Reveal()}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return grant{}, 0, errors.New("the endpoint is not a URL")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	asked := e.now()
	resp, err := e.client.Do(req)
	if err != nil {
		return grant{}, 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return grant{}, 0, err
	}
	switch {
	case resp.StatusCode == http.StatusOK:
		g, err := readGrant(body, asked)
		return g, 0, err
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500:
		return grant{}, retryAfter(resp.Header), fmt.Errorf("status %d", resp.StatusCode)
	}
	return grant{asked: asked, refused: fmt.Sprintf("IAM responded with %d %s", resp.StatusCode, errorCode(body))}, 0, nil
}

// readGrant reads IAM's response. The token's life counts from before the
// request, by our own clock; "expiration" is by IAM's and only a fallback.
func readGrant(body []byte, asked time.Time) (grant, error) {
	var answer struct {
		Token      string `json:"access_token"`
		ExpiresIn  int64  `json:"expires_in"`
		Expiration int64  `json:"expiration"`
	}
	if json.Unmarshal(body, &answer) != nil { // its error may quote the token
		return grant{}, errors.New("its response is not a JSON object with access_token and expires_in")
	}
	if answer.Token == "" || strings.ContainsFunc(answer.Token, wire.NotVisible) {
		return grant{}, errors.New("its response has no access_token that could be sent")
	}
	life := time.Duration(min(answer.ExpiresIn, int64(longestToken/time.Second))) * time.Second
	if answer.ExpiresIn == 0 && answer.Expiration > 0 {
		life = min(time.Unix(answer.Expiration, 0).Sub(asked), longestToken)
	}
	if life <= 0 {
		return grant{}, errors.New("its token has already expired")
	}
	return grant{token: secret.New(answer.Token), asked: asked, expires: asked.Add(life)}, nil
}

// errorCode returns IAM's name for what is wrong, such as BXNIM0415E.
func errorCode(body []byte) string {
	var answer struct {
		Code string `json:"errorCode"`
	}
	if json.Unmarshal(body, &answer) != nil || len(answer.Code) > maxErrorShown {
		return ""
	}
	return strconv.QuoteToASCII(answer.Code)
}

func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(min(seconds, int(longestPause/time.Second))) * time.Second
}

// Stats says how useful the cached tokens have been.
func (e *Exchange) Stats() cache.Stats { return e.tokens.Stats() }
