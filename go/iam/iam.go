// Package iam exchanges IBM Cloud API keys for bearer tokens: one exchange for a
// key, however many buckets and clients need it. Package grants keeps them. It never
// logs, and none of its errors names a key.
package iam

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"osp/go/cache"
	"osp/go/grants"
	"osp/go/secret"
	"osp/go/shared"
	"osp/go/wire"
)

const (
	longestToken  = 24 * time.Hour
	grantType     = "urn:ibm:params:oauth:grant-type:apikey"
	maxErrorShown = 64
)

// Options of an Exchange. The zero value is suitable for production.
type Options struct {
	grants.Options
	Transport http.RoundTripper // nil: one of its own, without a proxy
}

// Exchange is safe for concurrent use. Make it with New.
type Exchange struct {
	endpoint  string
	transport http.RoundTripper
	now       func() time.Time
	tokens    *grants.Keeper[secret.Value, secret.Value]
}

type grant = grants.Grant[secret.Value]

// New returns an Exchange with the token service at a URL.
func New(endpoint string, o Options) *Exchange {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Transport == nil {
		o.Transport = &http.Transport{
			Proxy:               nil, // a proxy from the environment would see every key
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			ForceAttemptHTTP2:   true,
			MaxIdleConns:        8,
			IdleConnTimeout:     time.Minute,
			TLSHandshakeTimeout: 5 * time.Second,
		}
	}
	e := &Exchange{endpoint: endpoint, transport: o.Transport, now: o.Now}
	e.tokens = grants.New(grants.Service[secret.Value, secret.Value]{
		Name:    "IAM",
		Refusal: "The token service refused the API key that this endpoint holds for the bucket.",
		Ask:     e.ask,
		Kind:    "bearer token",
		Key:     func(apiKey secret.Value) string { return shared.Fields(endpoint, apiKey.Reveal()) },
		Encode:  func(token secret.Value) []byte { return []byte(token.Reveal()) },
		Decode:  func(b []byte) (secret.Value, bool) { return secret.New(string(b)), len(b) > 0 },
	}, o.Options)
	return e
}

// Token returns the bearer token for an API key, and when it expires: one that
// was asked for after a point in time, which is zero if any will do. Its errors are
// those of grants.Keeper.
func (e *Exchange) Token(ctx context.Context, apiKey secret.Value, after time.Time) (secret.Value, time.Time, error) {
	g, err := e.tokens.Get(ctx, apiKey, after)
	return g.Value, g.Expires, err
}

// Reject asks for another token for an API key, after a store has refused this one. It
// serves until there is another.
func (e *Exchange) Reject(ctx context.Context, apiKey, token secret.Value) error {
	return e.tokens.Reject(ctx, apiKey, func(held secret.Value) bool { return held == token })
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
	resp, wait, err := grants.Send(e.transport, req)
	if err != nil {
		return grant{}, wait, err
	}
	if resp.Status == http.StatusOK {
		g, err := readGrant(resp.Body, asked)
		return g, 0, err
	}
	return grant{Asked: asked, Refused: fmt.Sprintf("IAM responded with %d %s", resp.Status, errorCode(resp.Body))}, 0, nil
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
	return grant{Value: secret.New(answer.Token), Asked: asked, Expires: asked.Add(life)}, nil
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

// Stats says how useful the cached tokens have been.
func (e *Exchange) Stats() cache.Stats { return e.tokens.Stats() }
