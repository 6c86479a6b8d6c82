// Package observe describes a request that has ended, and each question to a
// callback, to the observers that count, log or trace them. It holds no secret
// and no signature, and decides nothing.
package observe

import (
	"context"
	"errors"
	"time"

	"osp/go/cache"
	"osp/go/callbacks"
	"osp/go/session"
)

// Exchange is one request that has ended, with its response. Texts are as the
// client sent them: any bytes, of any length that a header may have.
type Exchange struct {
	Ctx       context.Context // of its serving; contains its span if it is traced
	Begun     time.Time
	RequestID string
	Scheme    string // by which the client connected: http or https
	Proto     string // HTTP/1.1, HTTP/2.0
	Method    string
	Path      string // on the wire, without the query: that may hold a signature
	Referer   string // without its query, for the same reason
	UserAgent string
	Client    string // address; behind trusted proxies the one that they report. Empty if no observer needs it

	AccessKey string           // that the request claims; unproven if Code says so
	Session   *session.Session // in which it was sent; nil: none
	Presigned bool
	Operation string // S3's name; empty if the request could not be read
	Action    string // of a request for temporary keys; empty: it is none
	Bucket    string // as the client named it
	Entry     string // the name of its entry in cos_map, perhaps a pattern; empty: there is none
	Key       string // decoded

	Status       int    // that was sent, or would have been if the client had stayed
	Code         string // S3's error code for what the proxy refused or could not finish; empty: the store's response, complete
	BadSignature bool   // it was refused before its signature was verified
	Decided      bool   // it was refused by a policy or the validator
	UsedUp       bool   // it was refused because its presigned URL had been used up
	Limit        Limit  // that refused it

	CopySource  string // bucket and key that a copy or a renaming reads; empty: it is neither
	SourceEntry string // of a copy between two stores: the entry of its source
	CopyOutcome string // how that ended, one of those below; empty: it is none
	BytesCopied int64  // by that, from the one store to the other

	Asked      bool   // a store was asked
	StoreError string // why a store's response was of no use: one of the codes below, or an S3 error code

	BytesIn  int64 // of the body, as they arrived
	BytesOut int64 // likewise

	Total    time.Duration // until the last byte of the response was passed to the system
	Upstream time.Duration // of that, from sending the request to the store to the head of its response
	Callback time.Duration // of that, waiting for answers of callbacks, cached or not
}

// Limit is what refused a request that came too soon, too often, or with too much; the
// zero Limit is none.
type Limit struct{ Rule, Measure string } // as in a configuration: token.write, requests

// String is the limit's place in a configuration.
func (l Limit) String() string {
	if l == (Limit{}) {
		return ""
	}
	return l.Rule + "." + l.Measure
}

// RefusedBy says what refused the request: "signature", so that its key is only a claim;
// "decision", of a policy or the validator; or "other". Empty: nothing did.
func (x *Exchange) RefusedBy() string {
	switch {
	case x.Code == "":
		return ""
	case x.BadSignature:
		return "signature"
	case x.Decided:
		return "decision"
	}
	return "other"
}

// Holder is who holds the temporary key of the request, empty if it is none.
func (x *Exchange) Holder() session.Session {
	if x.Session == nil {
		return session.Session{}
	}
	return *x.Session
}

// What StoreError can be, in addition to the codes of package s3err.
const (
	ServerError        = "ServerError"        // it answered with a status of 500 or above
	CredentialsRefused = "CredentialsRefused" // it did not accept the proxy's credentials
)

// Observer is told of each request that has ended. It must neither keep the
// Exchange nor make the request wait.
type Observer interface{ Ended(*Exchange) }

// Copied is how a copy between two stores ends that was made. The others are Refused,
// Failed and Abandoned.
const Copied = "copied"

// The ways in which a question can end, and Refused, Failed and Abandoned also those of
// a copy between two stores.
const (
	Answered   = "answered"
	Refused    = "refused"    // the validator said no, or hmac_fetcher does not know the key
	Failed     = "failed"     // it raised, or its answer made no sense
	Overloaded = "overloaded" // it was not asked in time, or did not answer in time
	Abandoned  = "abandoned"  // whoever wanted to know has left
)

// Callback is one question to the owner that has ended.
type Callback struct {
	Ctx     context.Context // of the request that asked first
	Name    string          // out of callbacks.Names
	Outcome string          // one of those above
	Begun   time.Time
	Took    time.Duration // waiting for its turn included
}

// Questions observes each question to the owner. seen is called on the goroutine
// that asked, when the answer is there.
func Questions(seen func(Callback)) callbacks.Interceptor {
	return func(ctx context.Context, call callbacks.Call) error {
		begun := callbacks.Begun(ctx)
		err := call.Do(ctx)
		if cache.IsLeft(err) { // it has not ended
			return err
		}
		seen(Callback{Ctx: ctx, Name: call.Name(), Outcome: outcomeOf(call, err), Begun: begun, Took: time.Since(begun)})
		return err
	}
}

func outcomeOf(call callbacks.Call, err error) string {
	switch {
	case err == nil && !refuses(call.Answer()):
		return Answered
	case err == nil, errors.Is(err, callbacks.ErrUnknownKey):
		return Refused
	case errors.Is(err, callbacks.ErrOverloaded):
		return Overloaded
	case errors.Is(err, context.Canceled):
		return Abandoned
	}
	return Failed
}

// refuses reports whether an answer says no in so many words.
func refuses(answer any) bool {
	d, decided := answer.(*callbacks.Decision)
	return decided && !d.Allow
}
