package pipeline

import (
	"net/http"

	"osp/go/access"
	"osp/go/names"
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/stores"
)

// authorize asks about all that the request may do at its store: to the object
// itself, by the operation and by what a store does that lacks it; to the source
// of a copy or a renaming; to each key of a list to delete. A presigned URL is
// used up only by what would go on.
func (p *Pipeline) authorize(x *exchange) error {
	if x.bucket.ReadOnly && x.req.Writes() {
		return s3err.AccessDenied.Msg("The bucket is read-only.")
	}
	if err := names.CheckTarget(x.bucket, x.req); err != nil {
		return err
	}
	if x.form != nil { // whoever had not signed could order nothing
		var err error
		if x.form.header, err = formHeader(x.form.fields); err != nil {
			return err
		}
	}
	question := p.question(x, x.terms(x.bucket))
	if x.req.Operation == s3op.DeleteObjects {
		if err := p.authorizeDeletions(x, question); err != nil {
			return err
		}
	} else if err := p.authorizeOperation(x, question); err != nil {
		return err
	}
	if err := p.authorizeSource(x, question); err != nil {
		return err
	}
	if x.req.Unlisted != nil && x.req.Operation != s3op.Unknown {
		if err := p.check(x, x.bucket, question.Instead(s3op.Unknown)); err != nil {
			return err
		}
	}
	if err := x.admitAuthorised(); err != nil {
		return err
	}
	if x.allRefused() {
		return nil
	}
	return p.countUse(x)
}

// countUse counts one use of a presigned URL, if that is what x came by.
func (p *Pipeline) countUse(x *exchange) error {
	if !x.verified.Presigned() {
		return nil
	}
	err := p.uses.Count(x.r.Context(), x.verified.Signature(), x.verified.ExpiresAt())
	x.record.usedUp = err != nil
	return err
}

func (p *Pipeline) authorizeOperation(x *exchange, question *access.Question) error {
	if err := p.check(x, x.bucket, question); err != nil {
		return err
	}
	complete := x.bucket.Complete && x.req.Unlisted == nil
	if x.req.Fallback == "" || complete || !question.Detailed() {
		return nil
	}
	return p.check(x, x.bucket, question.Instead(x.req.Fallback))
}

// check asks about one bucket and what is to happen in it.
func (p *Pipeline) check(x *exchange, b *stores.Bucket, question *access.Question) error {
	begun := p.recorder.clock()
	defer p.recorder.waited(x, begun)
	decision := p.access.Check(x.r.Context(), question)
	if err := decision.Refusal(); err != nil {
		return err
	}
	x.chosen(decision)
	for _, other := range question.OtherVersions(b.Complete, b.OpaqueKeys) {
		if err := p.access.Check(x.r.Context(), other).Refusal(); err != nil {
			return err
		}
	}
	return nil
}

// checkAll is check for several questions together; see access.CheckAll.
func (p *Pipeline) checkAll(x *exchange, questions []*access.Question) ([]access.Decision, error) {
	begun := p.recorder.clock()
	defer p.recorder.waited(x, begun)
	return p.access.CheckAll(x.r.Context(), questions)
}

// authorizeSource asks for the second object that the request names, if any.
func (p *Pipeline) authorizeSource(x *exchange, question *access.Question) error {
	if key := x.req.RenameSource; key != "" {
		return p.authorizeRenaming(x, question, &s3op.CopySource{Bucket: x.req.Bucket, Key: key})
	}
	source := x.req.CopySource
	if source == nil {
		return nil
	}
	from := x.stores.Buckets.Find(source.Bucket)
	if from == nil {
		return s3err.NoSuchBucket.Msg("The bucket of the copy source does not exist.")
	}
	if err := names.CheckSource(from, source); err != nil {
		return err
	}
	if err := p.check(x, from, question.Source(source, http.MethodGet, s3op.GetObject, x.terms(from))); err != nil {
		return err
	}
	if from.Host != x.bucket.Host || from.Port != x.bucket.Port {
		return s3err.NotImplemented.Msg("Copies between two stores are not supported.")
	}
	return nil
}

// authorizeRenaming: whoever renames reads an object, and takes it away.
func (p *Pipeline) authorizeRenaming(x *exchange, question *access.Question, source *s3op.CopySource) error {
	if err := names.CheckRenameSource(x.bucket, source.Key); err != nil {
		return err
	}
	if err := p.check(x, x.bucket, question.Source(source, http.MethodGet, s3op.GetObject, x.terms(x.bucket))); err != nil {
		return err
	}
	return p.check(x, x.bucket, question.Source(source, http.MethodDelete, s3op.DeleteObject, x.terms(x.bucket)))
}
