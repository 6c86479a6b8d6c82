package pipeline

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/cpu"

	"osp/go/limits"
	"osp/go/observe"
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/session"
	"osp/go/tracing"
)

// record is what only the stages know of a request, noted for the observer.
type record struct {
	begun      time.Time
	accessKey  string // that the request claims
	action     string // of a request for temporary keys
	session    *session.Session
	code       string // of its refusal
	storeError string
	status     int // of its refusal
	upstream   time.Duration
	callback   time.Duration

	copied int64           // bytes, from one store to another
	limit  *limits.Refusal // nil: no limit refused it

	presigned, badSignature, decided, usedUp, asked, copies bool
}

// recorder completes records and shows them to the observer. Without one it
// reads no clock.
type recorder struct {
	observer   Observer        // nil: off
	tracer     *tracing.Tracer // nil: off
	detailed   bool
	forwarders forwarders
	started    time.Time

	_       cpu.CacheLinePad // as in Pipeline
	running atomic.Int64     // requests
	_       cpu.CacheLinePad
}

func newRecorder(o Options, f forwarders) *recorder {
	return &recorder{observer: o.Observer, tracer: o.Tracer, detailed: o.Detailed, forwarders: f, started: time.Now()}
}

func (r *recorder) on() bool { return r.observer != nil }

// clock is the time since the start; reading it costs less than reading the date.
func (r *recorder) clock() time.Duration {
	if !r.on() {
		return 0
	}
	return time.Since(r.started)
}

// waited notes that a request waited for a callback since begun.
func (r *recorder) waited(x *exchange, begun time.Duration) { x.record.callback += r.clock() - begun }

func (r *recorder) begin(x *exchange) {
	r.running.Add(1)
	x.record.begun = time.Now()
	if r.tracer != nil {
		x.r = x.r.WithContext(r.tracer.Begin(x.r, x.record.begun))
	}
}

var exchanges = sync.Pool{New: func() any { return new(observe.Exchange) }}

// end puts together what is known of a request and shows it to the observer.
func (r *recorder) end(x *exchange) {
	r.running.Add(-1)
	s := exchanges.Get().(*observe.Exchange)
	*s = observe.Exchange{
		Ctx: x.r.Context(), Begun: x.record.begun, RequestID: x.requestID, Scheme: x.clientScheme, Proto: x.r.Proto, Method: x.r.Method,
		AccessKey: x.record.accessKey, Session: x.record.session, Presigned: x.record.presigned,
		Status: x.record.status, Code: x.record.code, BadSignature: x.record.badSignature, Decided: x.record.decided, UsedUp: x.record.usedUp,
		Limit: x.limitBroken(), Asked: x.record.asked, StoreError: x.record.storeError,
		BytesIn: x.received.Load(), BytesOut: x.w.sent,
		Total: time.Since(x.record.begun), Upstream: x.record.upstream, Callback: x.record.callback,
	}
	if x.w.begun {
		s.Status = x.w.status
	}
	s.CopySource, s.BytesCopied = x.copySource(), x.record.copied
	if x.record.copies {
		s.CopyOutcome, s.SourceEntry = copyOutcome(s.Code, x.record.status), x.copiedFrom().Entry().Name
	}
	if x.bucket != nil {
		s.Entry = x.bucket.Entry().Name
	}
	if x.req != nil {
		s.Path, s.Operation, s.Bucket, s.Key = x.req.RawPath, string(x.req.Operation), x.req.Bucket, x.req.Key
		if x.req.Unlisted != nil { // S3 has no such operation, whatever it resembles
			s.Operation = string(s3op.Unknown)
		}
	} else {
		s.Path, s.Operation, s.Action = x.r.URL.EscapedPath(), x.record.action, x.record.action
	}
	if r.detailed {
		if !r.forwarders.silent(x.r) {
			s.Client = r.forwarders.client(x.r)
		}
		s.Referer, s.UserAgent = withoutQuery(header(x.r, "Referer")), header(x.r, "User-Agent")
	}
	if s.StoreError == "" && (s.Code == s3err.BadGateway.Code || s.Code == s3err.GatewayTimeout.Code) {
		s.StoreError = s.Code // also where it broke off in the middle of its response
	}
	r.observer.Ended(s)
	*s = observe.Exchange{} // it is not what keeps a request in memory
	exchanges.Put(s)
}

// copySource is what a copy or a renaming reads, as the validator is told.
func (x *exchange) copySource() string {
	switch {
	case x.req == nil:
		return ""
	case x.req.CopySource != nil:
		return x.req.CopySource.Bucket + "/" + x.req.CopySource.Key
	case x.req.RenameSource != "":
		return x.req.Bucket + "/" + x.req.RenameSource
	}
	return ""
}

func header(r *http.Request, name string) string {
	if values := r.Header[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

func withoutQuery(url string) string {
	before, _, _ := strings.Cut(url, "?")
	return before
}
