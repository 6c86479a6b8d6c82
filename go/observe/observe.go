// Package observe says what is known about a request when it has ended, and
// about each question to the owner, to those that count, log or trace them. It
// holds no secret and no signature, and decides nothing.
package observe

import (
	"context"
	"errors"
	"time"

	"osp/go/callbacks"
)

// Exchange is one request that has ended, with its answer. Texts are as the
// client sent them: any bytes, of any length that a header may have.
type Exchange struct {
	Ctx       context.Context // of its serving; holds its span where it is traced
	Begun     time.Time
	RequestID string
	Scheme    string // by which the client came: http or https
	Proto     string // HTTP/1.1, HTTP/2.0
	Method    string
	Path      string // on the wire, without the query: that may hold a signature
	Referer   string // without its query, for the same reason
	UserAgent string
	Client    string // address; behind trusted proxies the one that they name. Empty where nobody asked for it

	AccessKey string // that the request claims; nobody vouches for it when Code says so
	Presigned bool
	Operation string // S3's name; empty when the request could not be read
	Bucket    string // as the client said
	Entry     string // the name of its entry in cos_map, which is a pattern perhaps; empty: there is none
	Key       string // decoded

	Status       int    // that was sent, or would have been to a client that had stayed
	Code         string // S3's error code of what the proxy refused or could not finish; empty: the store's answer, whole
	BadSignature bool   // it was refused before its signature was found to be right
	UsedUp       bool   // it was refused because its presigned URL had been used often enough

	Asked      bool   // a store was asked
	StoreError string // why a store's answer was of no use: one of the codes below, or an S3 error code

	BytesIn  int64 // of the body, as they came
	BytesOut int64 // likewise

	Total    time.Duration // until the last byte of the answer was handed to the system
	Upstream time.Duration // of that, from the store's request to the head of its answer
	Callback time.Duration // of that, waiting for answers of the owner's callbacks, remembered or not
}

// What StoreError can be, beside the codes of package s3err.
const (
	ServerError        = "ServerError"        // it answered with a status of 500 or above
	CredentialsRefused = "CredentialsRefused" // it did not take the credentials that the proxy has
)

// Observer is told of each request when it has ended. It must not keep the
// Exchange, nor make the request wait.
type Observer interface{ Ended(*Exchange) }

// The ways in which a question can end.
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
		begun := time.Now()
		err := call.Do(ctx)
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
