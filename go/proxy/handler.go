package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"osp/go/access"
	"osp/go/callbacks"
	"osp/go/config"
	"osp/go/creds"
	"osp/go/front"
	"osp/go/iam"
	"osp/go/names"
	"osp/go/observe"
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/sigv4"
	"osp/go/stores"
	"osp/go/upstream"
)

// handler leads every request through the same gate, whatever its mode.
type handler struct {
	cfg      *config.Config
	log      *slog.Logger
	verifier *sigv4.Verifier
	clients  *creds.ClientKeys
	access   *access.Checker
	uses     *access.Uses
	creds    *creds.Resolver
	iam      *iam.Exchange
	upstream *upstream.Client
	started  time.Time

	validatorSeesRequest bool
	serverHeader         []string // of every answer

	updating sync.Mutex
	stores   atomic.Pointer[stores.Set] // what requests begin with

	hosts             hosts
	forms, preflights places // of strangers

	inFlight sync.WaitGroup
	watch    *watch
}

func newHandler(cfg *config.Config, h callbacks.Set, log *slog.Logger) *handler {
	watch := newWatch(cfg, log)
	h = h.Around(append(watch.questions(), callbacks.Limits(cfg.CallbackConcurrency, cfg.CallbackQueue, cfg.CallbackTimeout))...)
	tokens := iam.New(cfg.IAMEndpoint, iam.Options{Exchanged: watch.tokenExchanged})
	made := &handler{
		cfg:      cfg,
		log:      log,
		verifier: sigv4.New(sigv4.Options{}),
		clients:  creds.NewClientKeys(h.HMACFetcher, cfg.SecretTTL, creds.Options{}),
		access:   access.New(h, access.Options{Capacity: cfg.AccessCacheSize, CacheBy: cfg.AuthCacheBy, ShowReasons: cfg.ShowReasons}),
		uses:     access.NewUses(cfg.PresignUses, nil),
		creds:    creds.New(h.BucketCredsFetcher, tokens, creds.Options{}),
		iam:      tokens,
		upstream: upstream.New(),
		started:  time.Now(),
		hosts:    hosts{forwarders: forwarders{cfg.TrustedProxies}, domains: cfg.Domains},
		watch:    watch,

		forms:                make(places, maxForms),
		preflights:           make(places, maxPreflights),
		validatorSeesRequest: h.ValidatorSeesRequest,
		serverHeader:         serverHeader(cfg.ServerName),
	}
	made.stores.Store(&cfg.Stores)
	watch.begin(made)
	return made
}

// update swaps stores, client keys, or both. A request goes on with those that
// it began with.
func (h *handler) update(u *config.Update) {
	h.updating.Lock()
	defer h.updating.Unlock()
	after := u.Apply(h.stores.Load())
	h.stores.Store(after)
	h.upstream.Keep(after.Buckets.Entries())
	h.watch.updated()
}

// forget drops what was remembered about a token, a bucket, or both together;
// nil matches all.
func (h *handler) forget(token, bucket *string) {
	h.access.Forget(token, bucket)
	h.creds.Forget(token, bucket)
	if token != nil || bucket == nil {
		h.clients.Forget(token)
	}
}

// exchange is one request on its way, and what the stages found out about it.
type exchange struct {
	w         *responseWriter
	r         *http.Request
	scheme    string // by which the request came: http or https
	requestID string
	stores    *stores.Set // as they were when the request came

	req   *s3op.Request
	hosts []string // that the client may have signed

	clientScheme string // by which the client came to the first trusted forwarder

	form      *form // of PostObject, else nil
	verified  *sigv4.VerifiedRequest
	question  callbacks.Request // to the validator
	bucket    *stores.Bucket    // nil: there is none of that name
	deletions *names.Deletions  // of DeleteObjects, else nil; without those that were refused
	refused   []byte            // of DeleteObjects: what the answer says about those

	seen     notes         // for those who watch
	document *bytes.Reader // a body that was read because nobody told its length, else nil
	body     *pacedBody    // nil: nobody wanted it
	received atomic.Int64  // bytes of it
}

// at returns the handler for what comes in by a scheme.
func (h *handler) at(scheme string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.handle(scheme, w, r) })
}

// handle is the only place that writes errors, and the firewall that keeps a
// panic within its request.
func (h *handler) handle(scheme string, w http.ResponseWriter, r *http.Request) {
	h.inFlight.Add(1)
	defer h.inFlight.Done()
	countRequest()
	x := &exchange{w: newResponseWriter(w), r: r, scheme: scheme, requestID: newRequestID(), stores: h.stores.Load()}
	if h.watch.on() {
		h.watch.begun(x)
		defer h.watch.ended(x) // also when the connection is broken off
	}
	defer func() { x.body.release() }()
	w.Header()["Server"] = h.serverHeader
	if err := h.guarded(x); err != nil {
		h.refuse(x, err)
	}
}

// guarded turns a panic into an InternalError.
func (h *handler) guarded(x *exchange) (err error) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			panic(v)
		default:
			h.log.Error("panic in a request", "request_id", x.requestID, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			err = s3err.InternalError
		}
	}()
	return h.serve(x)
}

// serve is the way of a request, one direction. Nothing before the last two
// steps touches the body, so that `100 Continue` is sent to authorised clients
// only; but forms and lists of keys to delete say in their bodies what they
// are about.
func (h *handler) serve(x *exchange) error {
	if err := h.parse(x); err != nil {
		return err
	}
	if isPreflight(x) {
		return h.preflight(x)
	}
	var err error
	if x.verified, err = h.verify(x); err != nil {
		x.seen.BadSignature = true
		return err
	}
	if err := checkConnection(x.r.Header, x.verified.SignedHeaders()); err != nil {
		return err
	}
	// Not before the signature: what entries take is nobody else's business.
	if x.req.Unlisted != nil && (x.bucket == nil || !x.bucket.UnknownOperations) {
		return x.req.Unlisted
	}
	if x.req.Operation == s3op.ListBuckets {
		if err := h.countUse(x); err != nil {
			return err
		}
		return h.listBuckets(x)
	}
	if x.bucket == nil {
		return s3err.NoSuchBucket
	}
	if err := h.authorize(x); err != nil {
		return err
	}
	if x.deletions != nil && len(x.deletions.Objects) == 0 {
		return answerRefusals(x)
	}
	call, err := h.prepare(x)
	if err != nil {
		return err
	}
	resp, err := h.send(x, call)
	if err != nil {
		return err
	}
	if x.form != nil && resp.StatusCode == http.StatusOK {
		return h.answerForm(x, resp)
	}
	return h.answer(x, resp)
}

// parse finds out what the request asks for.
func (h *handler) parse(x *exchange) error {
	err := front.Check(x.r)
	if err != nil {
		return s3err.InvalidRequest.Because(err)
	}
	var virtual string
	virtual, x.hosts = h.hosts.of(x.r)
	x.clientScheme = h.hosts.scheme(x.r, x.scheme)
	if x.req, err = s3op.Parse(x.r.Method, x.r.RequestURI, virtual, x.r.Header); err != nil {
		return err
	}
	x.bucket = x.stores.Buckets.Find(x.req.Bucket)
	return nil
}

// clientLeft is what a request comes to whose client did not wait for its
// answer. Nobody gets it; logs and metrics call it by nginx's number.
var clientLeft = s3err.New(499, "ClientClosedRequest", "The client left before the end of its answer.")

// refuse writes an error, or breaks the connection where an answer has begun.
func (h *handler) refuse(x *exchange, err error) {
	e := s3err.From(err)
	if errors.Is(err, context.Canceled) {
		e = clientLeft
	}
	x.seen.Code, x.seen.Status = e.Code, e.Status
	h.logRefusal(x, e)
	if x.w.begun || errors.Is(err, context.Canceled) {
		panic(http.ErrAbortHandler) // a truncated answer must never look complete
	}
	header := x.w.Header()
	clear(header) // of what belonged to an answer that could not be given
	header["Server"] = h.serverHeader
	header.Set("X-Amz-Request-Id", x.requestID)
	if e.Status == http.StatusServiceUnavailable {
		header.Set("Retry-After", "1")
	}
	if x.r.Method == http.MethodHead {
		x.w.WriteHeader(e.Status)
		return
	}
	body := e.XML(x.r.URL.Path, x.requestID)
	header.Set("Content-Type", "application/xml")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(e.Status)
	_, _ = x.w.Write(body) // the client may have left; there is nobody to tell
}

// noRequest is the body of the answer to what is no request of HTTP.
func noRequest(status int) (mediaType string, body []byte) {
	e := s3err.InvalidRequest.Msg("An error occurred when parsing the HTTP request.")
	switch status {
	case http.StatusRequestHeaderFieldsTooLarge:
		e = s3err.HeaderSectionTooLarge
	case http.StatusHTTPVersionNotSupported, http.StatusExpectationFailed:
		e = s3err.NotImplemented.Msg(http.StatusText(status))
	}
	return "application/xml", e.XML("", newRequestID())
}

// logRefusal says why, at a level that fits whose matter it is.
func (h *handler) logRefusal(x *exchange, e *s3err.Error) {
	level := slog.LevelInfo
	if e.Status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("request_id", x.requestID), slog.String("code", e.Code), slog.String("message", observe.Clip(e.Message)),
		slog.String("client", h.hosts.client(x.r)), slog.String("access_key", observe.ShortKey(x.seen.AccessKey)),
	}
	if x.req != nil {
		attrs = append(attrs, slog.String("operation", string(x.req.Operation)), slog.String("bucket", observe.Clip(x.req.Bucket)))
	}
	if cause := errors.Unwrap(e); cause != nil {
		attrs = append(attrs, slog.String("cause", observe.Clip(cause.Error())))
	}
	h.log.LogAttrs(x.r.Context(), level, "refused", attrs...)
}

// close waits for the last handlers, which a hard stop may still unwind.
func (h *handler) close(grace time.Duration) {
	ended := make(chan struct{})
	go func() {
		h.inFlight.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(grace):
		h.log.Warn("requests were still under way when the server stopped")
	}
	h.upstream.Close()
}

func serverHeader(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}

// newRequestID has the look of S3's own. It is a name, not a secret.
func newRequestID() string {
	const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	var id [16]byte
	n := rand.Uint64()
	for i := range 8 {
		id[i] = digits[n>>(5*i)&31]
	}
	n = rand.Uint64()
	for i := range 8 {
		id[8+i] = digits[n>>(5*i)&31]
	}
	return string(id[:])
}
