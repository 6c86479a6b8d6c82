package proxy

import (
	"errors"

	"osp/go/config"
	"osp/go/hooks"
	"osp/go/s3err"
	"osp/go/s3req"
	"osp/go/sigv4"
)

// verify is the gate: it returns a VerifiedRequest or an error, for every mode.
func (h *handler) verify(x *exchange) (*sigv4.VerifiedRequest, error) {
	if x.bucket != nil && x.bucket.Anonymous && !x.req.Operation.Writes() {
		if r := signable(x); !sigv4.ClaimsSignature(r) {
			return sigv4.Anonymous(r)
		}
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
	return h.verifier.Verify(signed, key)
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
		Hosts: x.hosts, Header: x.r.Header, ContentLength: x.r.ContentLength,
	}
}

// authorize asks about every object that the request touches: the object
// itself, the source of a copy, each key of a list to delete. A presigned URL
// is used up only by what would go on.
func (h *handler) authorize(x *exchange) error {
	if x.bucket.ReadOnly && x.req.Operation.Writes() {
		return s3err.AccessDenied.Msg("The bucket is read-only.")
	}
	question := h.question(x)
	if x.req.Operation == s3req.DeleteObjects {
		if err := h.authorizeDeletions(x, question); err != nil {
			return err
		}
	} else if err := h.check(x, x.bucket, question); err != nil {
		return err
	}
	if source := x.req.CopySource; source != nil {
		if err := h.authorizeSource(x, question, source); err != nil {
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

// check asks about one bucket and what is to happen in it.
func (h *handler) check(x *exchange, b *config.Bucket, question *hooks.Request) error {
	begun := h.watch.clock()
	err := h.access.Check(x.r.Context(), b.TTL, question)
	h.watch.callback(x, begun)
	return err
}

func (h *handler) authorizeSource(x *exchange, question *hooks.Request, source *s3req.CopySource) error {
	from := x.stores.Buckets.Find(source.Bucket)
	if from == nil {
		return s3err.NoSuchBucket.Msg("The bucket of the copy source does not exist.")
	}
	if err := h.check(x, from, readOf(question, source)); err != nil {
		return err
	}
	if from.Host != x.bucket.Host || from.Port != x.bucket.Port {
		return s3err.NotImplemented.Msg("Copies between two stores are not supported.")
	}
	return nil
}
