package pipeline

import (
	"errors"

	"osp/go/access"
	"osp/go/names"
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/sigv4"
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
	here := x.site(x.bucket)
	question := p.question(x, here.Terms)
	if x.req.Operation == s3op.DeleteObjects {
		if err := p.authorizeDeletions(x, question); err != nil {
			return err
		}
	}
	if err := question.Touched(x.req, here, x.sourceSite, func(q *access.Question, again bool) error { return p.check(x, q, again) }); err != nil {
		return err
	}
	if x.allRefused() {
		return nil
	}
	if err := x.admitAuthorised(); err != nil {
		return err
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

// check asks one question, unless whoever decides can't tell it from the one before.
func (p *Pipeline) check(x *exchange, question *access.Question, again bool) error {
	if again && !p.looksCloser(x) {
		p.access.Repeated(question)
		return nil
	}
	begun := p.recorder.clock()
	defer p.recorder.waited(x, begun)
	decision := p.access.Check(x.r.Context(), question)
	x.chosen(decision)
	err := decision.Refusal()
	x.record.decided = errors.Is(err, s3err.AccessDenied)
	return err
}

// checkAll is check for several questions together; see access.CheckAll.
func (p *Pipeline) checkAll(x *exchange, questions []*access.Question) ([]access.Decision, error) {
	begun := p.recorder.clock()
	defer p.recorder.waited(x, begun)
	return p.access.CheckAll(x.r.Context(), questions)
}

// sourceSite finds where the second object is that the request names.
func (x *exchange) sourceSite(object *s3op.CopySource) (access.Site, error) {
	if x.req.RenameSource != "" {
		return x.site(x.bucket), names.CheckRenameSource(x.bucket, object.Key)
	}
	from := x.stores.Buckets.Find(object.Bucket)
	if from == nil {
		return access.Site{}, s3err.NoSuchBucket.Msg("The bucket of the copy source does not exist.")
	}
	if x.who.Mechanism == sigv4.InBearer && from.Bearer != x.bucket.Bearer {
		return access.Site{}, errOtherBearer
	}
	return x.site(from), names.CheckSource(from, object)
}
