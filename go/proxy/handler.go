package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"osp/go/access"
	"osp/go/config"
	"osp/go/creds"
	"osp/go/front"
	"osp/go/hooks"
	"osp/go/iam"
	"osp/go/s3err"
	"osp/go/s3req"
	"osp/go/sigv4"
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
	stores   *upstream.Client
	started  time.Time

	forwarders forwarders
	inFlight   sync.WaitGroup
}

func newHandler(cfg *config.Config, h hooks.Hooks, log *slog.Logger) *handler {
	h = hooks.Limited(h, cfg.CallbackConcurrency, cfg.CallbackQueue, cfg.CallbackTimeout)
	return &handler{
		cfg:        cfg,
		log:        log,
		verifier:   sigv4.New(sigv4.Options{}),
		clients:    creds.NewClientKeys(cfg.Keystore, h.Secret, creds.Options{}),
		access:     access.New(h, access.Options{Capacity: cfg.AccessCacheSize, CacheBy: cfg.AuthCacheBy}),
		uses:       access.NewUses(cfg.PresignUses, nil),
		creds:      creds.New(h.BucketCreds, iam.New(cfg.IAMEndpoint, iam.Options{}).Token, creds.Options{}),
		stores:     upstream.New(),
		started:    time.Now(),
		forwarders: cfg.TrustedProxies,
	}
}

// exchange is one request on its way, and what the stages found out about it.
type exchange struct {
	w         *responseWriter
	r         *http.Request
	scheme    string // by which the client came: http or https
	requestID string

	req      *s3req.Request
	form     *form // of PostObject, else nil
	verified *sigv4.VerifiedRequest
	bucket   *config.Bucket
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
	x := &exchange{w: newResponseWriter(w), r: r, scheme: scheme, requestID: newRequestID()}
	w.Header()["Server"] = serverHeader(h.cfg.ServerName)
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
// steps touches the body, so that `100 Continue` is sent to authorised clients only.
func (h *handler) serve(x *exchange) error {
	err := front.Check(x.r)
	if err != nil {
		return s3err.InvalidRequest.Because(err)
	}
	if x.req, err = s3req.Parse(x.r.Method, x.r.RequestURI, x.r.Header); err != nil {
		return err
	}
	if x.verified, err = h.verify(x); err != nil {
		return err
	}
	if x.req.Operation == s3req.ListBuckets {
		return h.listBuckets(x)
	}
	if x.bucket = h.cfg.Buckets[x.req.Bucket]; x.bucket == nil {
		return s3err.NoSuchBucket
	}
	if err := h.authorize(x); err != nil {
		return err
	}
	call, err := h.prepare(x)
	if err != nil {
		return err
	}
	resp, err := h.stores.Do(x.r.Context(), call)
	if err != nil {
		return err
	}
	if x.form != nil && resp.StatusCode == http.StatusOK {
		return h.answerForm(x, resp)
	}
	return h.answer(x, resp)
}

// verify is the gate: it returns a VerifiedRequest or an error, for every mode.
func (h *handler) verify(x *exchange) (*sigv4.VerifiedRequest, error) {
	signed, err := h.parseSignature(x)
	if err != nil {
		return nil, err
	}
	if h.cfg.SkipSignature {
		return h.verifier.Trust(signed)
	}
	key, err := h.clients.Secret(x.r.Context(), signed.AccessKey())
	if errors.Is(err, hooks.ErrUnknownKey) {
		return nil, h.verifier.Reject(signed)
	}
	if err != nil {
		return nil, err
	}
	return h.verifier.Verify(signed, key)
}

// parseSignature finds the signature where this kind of request carries it.
func (h *handler) parseSignature(x *exchange) (*sigv4.SignedRequest, error) {
	if x.req.Operation == s3req.PostObject {
		return h.parseForm(x)
	}
	return sigv4.Parse(&sigv4.Request{
		Method: x.r.Method, RawPath: x.req.RawPath, RawQuery: x.req.RawQuery,
		Hosts: h.forwarders.hosts(x.r), Header: x.r.Header, ContentLength: x.r.ContentLength,
	})
}

// authorize asks about the object itself and, for copies, about the source. A
// presigned URL is used up only by what would go on.
func (h *handler) authorize(x *exchange) error {
	question := h.question(x)
	if err := h.access.Check(x.r.Context(), x.bucket.TTL, question); err != nil {
		return err
	}
	if source := x.req.CopySource; source != nil {
		if err := h.authorizeSource(x, question, source); err != nil {
			return err
		}
	}
	if x.verified.Presigned() {
		return h.uses.Count(x.verified.Signature(), x.verified.ExpiresAt())
	}
	return nil
}

func (h *handler) authorizeSource(x *exchange, question *hooks.Request, source *s3req.CopySource) error {
	from := h.cfg.Buckets[source.Bucket]
	if from == nil {
		return s3err.NoSuchBucket.Msg("The bucket of the copy source does not exist.")
	}
	if err := h.access.Check(x.r.Context(), from.TTL, readOf(question, source)); err != nil {
		return err
	}
	if from.Host != x.bucket.Host || from.Port != x.bucket.Port {
		return s3err.NotImplemented.Msg("Copies between two stores are not supported.")
	}
	return nil
}

// prepare makes the store's request out of the client's.
func (h *handler) prepare(x *exchange) (*upstream.Call, error) {
	keys, err := h.creds.For(x.r.Context(), x.bucket, x.verified.AccessKey())
	if err != nil {
		return nil, err
	}
	call := &upstream.Call{
		Bucket: x.bucket, Creds: keys, Method: x.r.Method, Key: x.req.Key,
		Query: storeQuery(x.req.Query), Header: storeHeader(x.r.Header, x.verified.SignedHeaders()),
	}
	if x.req.CopySource != nil {
		call.Header.Set("X-Amz-Copy-Source", x.req.CopySource.Header(x.req.CopySource.Bucket))
	}
	if x.form != nil {
		return call, h.prepareForm(x, call)
	}
	return call, h.attachBody(x, call)
}

// refuse writes an error, or breaks the connection where an answer has begun.
func (h *handler) refuse(x *exchange, err error) {
	e := s3err.From(err)
	h.logRefusal(x, e)
	if x.w.begun || errors.Is(err, context.Canceled) {
		panic(http.ErrAbortHandler) // a truncated answer must never look complete
	}
	header := x.w.Header()
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

// logRefusal says why, at a level that fits whose matter it is.
func (h *handler) logRefusal(x *exchange, e *s3err.Error) {
	level := slog.LevelInfo
	if e.Status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("request_id", x.requestID), slog.String("code", e.Code), slog.String("message", e.Message)}
	if x.req != nil {
		attrs = append(attrs, slog.String("operation", string(x.req.Operation)), slog.String("bucket", x.req.Bucket))
	}
	if cause := errors.Unwrap(e); cause != nil {
		attrs = append(attrs, slog.String("cause", cause.Error()))
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
	h.stores.Close()
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
