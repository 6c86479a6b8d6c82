package proxy

import (
	"errors"
	"net/http"

	"osp/go/config"
	"osp/go/hooks"
	"osp/go/s3err"
	"osp/go/s3req"
	"osp/go/sigv4"
	"osp/go/view"
)

// verify is the gate: it returns a VerifiedRequest or an error, for every mode.
func (h *handler) verify(x *exchange) (*sigv4.VerifiedRequest, error) {
	if x.bucket != nil && x.bucket.Anonymous && !x.req.Writes() {
		if r := signable(x); !sigv4.ClaimsSignature(r) {
			return sigv4.Anonymous(r)
		}
	}
	if x.req.Operation == s3req.PostObject {
		leave, err := h.forms.enter()
		if err != nil {
			return nil, err
		}
		defer leave()
	}
	signed, err := h.parseSignature(x)
	if err != nil {
		return nil, err
	}
	x.seen.AccessKey, x.seen.Presigned = signed.AccessKey(), signed.Presigned()
	if h.cfg.SkipSignature {
		return h.verifier.Trust(signed)
	}
	begun := h.watch.clock()
	key, err := h.clients.Secret(x.r.Context(), x.stores.Keystore, signed.AccessKey())
	h.watch.callback(x, begun)
	if errors.Is(err, hooks.ErrUnknownKey) {
		return nil, h.verifier.Reject(signed)
	}
	if err != nil {
		return nil, err
	}
	verified, err := h.verifier.Verify(signed, key)
	if err == nil {
		h.clients.Verified(x.stores.Keystore, signed.AccessKey())
	}
	return verified, err
}

// parseSignature finds the signature where this kind of request carries it.
func (h *handler) parseSignature(x *exchange) (*sigv4.SignedRequest, error) {
	if x.req.Operation == s3req.PostObject {
		return h.parseForm(x)
	}
	return sigv4.Parse(signable(x))
}

// signable is the part of a request that a signature covers.
func signable(x *exchange) *sigv4.Request {
	return &sigv4.Request{
		Method: x.r.Method, RawPath: x.req.RawPath, RawQuery: x.req.RawQuery,
		Hosts: x.hosts, Header: x.r.Header, ContentLength: x.r.ContentLength, TransferEncoding: x.r.TransferEncoding,
	}
}

// authorize asks about all that the request may do at its store: to the object
// itself, by the operation and by what a store does that lacks it; to the source
// of a copy or a renaming; to each key of a list to delete. A presigned URL is
// used up only by what would go on.
func (h *handler) authorize(x *exchange) error {
	if x.bucket.ReadOnly && x.req.Writes() {
		return s3err.AccessDenied.Msg("The bucket is read-only.")
	}
	if err := view.CheckTarget(x.bucket, x.req); err != nil {
		return err
	}
	if x.form != nil { // whoever had not signed could order nothing
		var err error
		if x.form.header, err = formHeader(x.form.fields); err != nil {
			return err
		}
	}
	question := h.question(x)
	if x.req.Operation == s3req.DeleteObjects {
		if err := h.authorizeDeletions(x, question); err != nil {
			return err
		}
	} else if err := h.authorizeOperation(x, question); err != nil {
		return err
	}
	if err := h.authorizeSource(x, question); err != nil {
		return err
	}
	if x.req.Unlisted != nil && x.req.Operation != s3req.Unknown {
		if err := h.check(x, x.bucket, insteadOf(question, s3req.Unknown)); err != nil {
			return err
		}
	}
	return h.countUse(x)
}

// countUse counts one use of a presigned URL, if that is what x came by.
func (h *handler) countUse(x *exchange) error {
	if !x.verified.Presigned() {
		return nil
	}
	err := h.uses.Count(x.verified.Signature(), x.verified.ExpiresAt())
	x.seen.UsedUp = err != nil
	return err
}

func (h *handler) authorizeOperation(x *exchange, question *hooks.Request) error {
	if err := h.check(x, x.bucket, question); err != nil {
		return err
	}
	complete := x.bucket.Complete && x.req.Unlisted == nil
	if x.req.Fallback == "" || complete || !h.validatorSeesRequest {
		return nil
	}
	return h.check(x, x.bucket, insteadOf(question, x.req.Fallback))
}

// check asks about one bucket and what is to happen in it.
func (h *handler) check(x *exchange, b *config.Bucket, question *hooks.Request) error {
	begun := h.watch.clock()
	err := h.access.Check(x.r.Context(), b.TTL, question)
	if id := s3req.UUID(question.VersionID); err == nil && id != "" && !b.OpaqueKeys {
		err = h.access.Check(x.r.Context(), b.TTL, versionOf(question, id))
	}
	h.watch.callback(x, begun)
	return err
}

// authorizeSource asks for the second object that the request names, if any.
func (h *handler) authorizeSource(x *exchange, question *hooks.Request) error {
	if key := x.req.RenameSource; key != "" {
		return h.authorizeRenaming(x, question, &s3req.CopySource{Bucket: x.req.Bucket, Key: key})
	}
	source := x.req.CopySource
	if source == nil {
		return nil
	}
	from := x.stores.Buckets.Find(source.Bucket)
	if from == nil {
		return s3err.NoSuchBucket.Msg("The bucket of the copy source does not exist.")
	}
	if err := view.CheckSource(from, source); err != nil {
		return err
	}
	if err := h.check(x, from, sourceOf(question, source, http.MethodGet, s3req.GetObject)); err != nil {
		return err
	}
	if from.Host != x.bucket.Host || from.Port != x.bucket.Port {
		return s3err.NotImplemented.Msg("Copies between two stores are not supported.")
	}
	return nil
}

// authorizeRenaming: whoever renames reads an object, and takes it away.
func (h *handler) authorizeRenaming(x *exchange, question *hooks.Request, source *s3req.CopySource) error {
	if err := view.CheckRenameSource(x.bucket, source.Key); err != nil {
		return err
	}
	if err := h.check(x, x.bucket, sourceOf(question, source, http.MethodGet, s3req.GetObject)); err != nil {
		return err
	}
	return h.check(x, x.bucket, sourceOf(question, source, http.MethodDelete, s3req.DeleteObject))
}
