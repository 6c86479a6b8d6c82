package pipeline

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"sync/atomic"

	"osp/go/access"
	"osp/go/creds"
	"osp/go/limits"
	"osp/go/names"
	"osp/go/s3op"
	"osp/go/sigv4"
	"osp/go/stores"
)

// exchange is one request on its way, and what the stages found out about it.
type exchange struct {
	w         *responseWriter
	r         *http.Request
	asSigned  http.Header // that of r as it came, before its values were made canonical
	requestID string
	stores    *stores.Set // as they were when the request came

	// what it asks for
	protocol     *protocol // nil: S3
	req          *s3op.Request
	bucket       *stores.Bucket // nil: there is none of that name
	hosts        []string       // that the client may have signed
	clientScheme string         // by which the client came to the first trusted forwarder
	form         *form          // of PostObject, else nil

	// who asks, and whether that may be
	verified     *sigv4.VerifiedRequest
	who          access.Principal
	limits       *limits.Ticket // nil: there are none
	atStore      place          // of its entry's store; none: there are any number
	class        string         // of limits, that the validator chose; empty: none
	question     access.Question
	deletions    *names.Deletions // of DeleteObjects, else nil; without those that were refused
	deleteErrors []byte           // of DeleteObjects: what the response says about those

	parts []names.Part // of CompleteMultipartUpload, where they are added up

	sides   map[string]creds.Credentials // of a copy: with which its buckets are opened
	reading *limits.Ticket               // of a copy between two stores: of the source's entry; nil: there are none
	crossed atomic.Int64                 // bytes that have been read for it

	document *bytes.Reader // a body that was read because nobody told its length, else nil
	body     *clientBody   // nil: nobody wanted it
	received atomic.Int64  // bytes of it
	record   record        // for the observer
}

// release lets go of what is large, of the connection, and of its places among others. A
// callback that has not answered in time, or the shadow, may look at the request for
// longer than it lasts.
func (x *exchange) release() {
	x.body.release()
	x.atStore.leave()
	crossed := x.crossed.Load()
	x.limits.End(x.received.Load()+crossed, x.w.sent)
	x.reading.End(0, crossed)
	x.limits, x.reading = nil, nil
	x.deletions, x.deleteErrors, x.document, x.parts = nil, nil, nil, nil
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
