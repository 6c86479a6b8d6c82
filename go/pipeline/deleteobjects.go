package pipeline

import (
	"encoding/xml"
	"net/http"

	"osp/go/access"
	"osp/go/names"
	"osp/go/s3err"
	"osp/go/upstream"
)

// authorizeDeletions reads the list of keys, as it comes, and asks about each.
// What is refused leaves the list and goes into the response.
func (p *Pipeline) authorizeDeletions(x *exchange, question *access.Question) error {
	body, _, err := x.verifiedBody()
	if err != nil {
		return err
	}
	if body.Len() > maxDocument {
		return s3err.MaxMessageLengthExceeded
	}
	if x.deletions, err = names.ParseDeletions(body); err != nil {
		return err
	}
	refusals, err := p.refusedDeletions(x, question)
	if err != nil {
		return err
	}
	var allowed, stay []names.Deletion
	var why []*s3err.Error
	for i, object := range x.deletions.Objects {
		if refusals[i] == nil {
			allowed = append(allowed, object)
			continue
		}
		stay, why = append(stay, object), append(why, s3err.From(refusals[i]))
		p.logRefusal(x, why[len(why)-1])
	}
	x.deletions.Objects, x.deleteErrors = allowed, names.Refusals(stay, why)
	return nil
}

// refusedDeletions asks about each object of the list, and about what the store
// may take for its version. It returns a refusal or nil for each.
func (p *Pipeline) refusedDeletions(x *exchange, question *access.Question) ([]error, error) {
	objects := x.deletions.Objects
	var questions []*access.Question
	var about []int // which object each question is for
	for i, object := range objects {
		if err := names.CheckKey(x.bucket, object.Key); err != nil {
			return nil, err
		}
		asked := question.Deletion(object.Key, object.VersionID)
		questions, about = append(questions, asked), append(about, i)
		for _, other := range asked.OtherVersions(x.bucket.Complete, x.bucket.OpaqueKeys) {
			questions, about = append(questions, other), append(about, i)
		}
	}
	decisions, err := p.checkAll(x, questions)
	if err != nil {
		return nil, err
	}
	refusals := make([]error, len(objects))
	for i, d := range decisions {
		x.chosen(d)
		if refusals[about[i]] == nil {
			refusals[about[i]] = d.Refusal()
		}
	}
	return refusals, nil
}

// attachDeletions makes the store's list. It is written anew, so that the store
// reads what was authorised and nothing else.
func (x *exchange) attachDeletions(call *upstream.Call) error {
	list, err := x.deletions.Render(x.bucket)
	if err != nil {
		return err
	}
	attachWhole(call, list)
	return nil
}

// allRefused reports whether x is a list to delete of which nothing is left.
func (x *exchange) allRefused() bool { return x.deletions != nil && len(x.deletions.Objects) == 0 }

// respondRefused responds when no key of the list may be deleted.
func (x *exchange) respondRefused() error {
	return x.respondXML(http.StatusOK, struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ DeleteResult"`
		Errors  []byte   `xml:",innerxml"`
	}{Errors: x.deleteErrors})
}
