package access

import (
	"net/http"

	"osp/go/s3op"
)

// Site is what an entry says of a bucket: how decisions about it are made, and how far
// its store is S3.
type Site struct {
	Terms
	Complete   bool // the store takes no operation for another one
	OpaqueKeys bool // and no key or version either
}

// Ask is told of a question. again means that it is about the same object as the one
// before, by what a store may do instead: whoever looks at no more than token and bucket
// can't tell the two apart.
type Ask func(q *Question, again bool) error

// Touched is the list of all that a request does, or that a store may do instead: ask is
// told of each, until it returns an error. q is the question that About makes of it.
// source says where the second object is that the request names, and is not asked
// before everything about the first one is. The keys of a list to delete are not
// here: they are in its body.
func (q *Question) Touched(what *s3op.Request, here Site, source func(*s3op.CopySource) (Site, error), ask Ask) error {
	if what.Operation != s3op.DeleteObjects {
		if err := q.versions(here, false, ask); err != nil {
			return err
		}
		if what.Fallback != "" && q.Detailed() && (!here.Complete || what.Unlisted != nil) {
			if err := q.Instead(what.Fallback).versions(here, true, ask); err != nil {
				return err
			}
		}
	}
	if err := q.sources(what, source, ask); err != nil {
		return err
	}
	if what.Unlisted != nil && what.Operation != s3op.Unknown {
		return q.Instead(s3op.Unknown).versions(here, false, ask)
	}
	return nil
}

// sources asks about the object that a copy reads, or that a renaming reads and takes away.
func (q *Question) sources(what *s3op.Request, source func(*s3op.CopySource) (Site, error), ask Ask) error {
	from, renamed := what.CopySource, what.RenameSource != ""
	if renamed {
		from = &s3op.CopySource{Bucket: what.Bucket, Key: what.RenameSource}
	}
	if from == nil {
		return nil
	}
	there, err := source(from)
	if err != nil {
		return err
	}
	if err := q.Source(from, http.MethodGet, s3op.GetObject, there.Terms).versions(there, false, ask); err != nil || !renamed {
		return err
	}
	return q.Source(from, http.MethodDelete, s3op.DeleteObject, there.Terms).versions(there, false, ask)
}

// versions asks a question, and about what the store may take for its version.
func (q *Question) versions(at Site, again bool, ask Ask) error {
	if err := ask(q, again); err != nil {
		return err
	}
	for _, other := range q.OtherVersions(at.Complete, at.OpaqueKeys) {
		if err := ask(other, true); err != nil {
			return err
		}
	}
	return nil
}
