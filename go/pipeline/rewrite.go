package pipeline

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strconv"

	"osp/go/names"
	"osp/go/s3err"
	"osp/go/upstream"
	"osp/go/wire"
)

// respondRewritten is respond where the store's names are not the client's, or
// where the response needs an addition.
func (x *exchange) respondRewritten(resp *http.Response, to names.Response) error {
	delete(x.w.Header(), upstream.Spell("Location")) // of a bucket, or to the store itself
	to.Location, to.Refused = x.location(), x.deleteErrors
	if how, _ := x.req.Query.Get("encoding-type"); how == "url" {
		to.Encoded = true
	}
	failed := resp.StatusCode >= http.StatusMultipleChoices
	switch {
	case failed && to.Hides():
		return x.respondFailure(resp, to)
	case failed || !names.Names(x.req.Operation) && !(to.Hides() && names.ListsInstead(x.req)):
		x.w.WriteHeader(resp.StatusCode)
		return x.stream(resp.Body)
	}
	if coding := resp.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		return s3err.BadGateway
	}
	if !names.Names(x.req.Operation) {
		head, err := wire.Peek(&resp.Body, longestPrologue)
		if err != nil {
			return s3err.BadGateway.Because(err)
		}
		if !names.Begins(head) {
			x.w.WriteHeader(resp.StatusCode)
			return x.stream(resp.Body)
		}
	}
	if resp.ContentLength >= 0 && resp.ContentLength <= maxWholeResponse {
		return x.respondWhole(resp, to)
	}
	delete(x.w.Header(), upstream.Spell("Content-Length")) // it may be another one now
	x.w.WriteHeader(resp.StatusCode)
	return to.Rewrite(bufio.NewWriterSize(x.out(), copyBufferSize), resp.Body, x.w.conn.Flush)
}

// longestPrologue is where the root of a document has begun.
const longestPrologue = 4 << 10

// maxWholeResponse is the size up to which a response is rewritten before it goes
// out, so that it has a length. A store that tells it has the whole response, so
// nothing comes later for that.
const maxWholeResponse = 4 << 20

func (x *exchange) respondWhole(resp *http.Response, to names.Response) error {
	var body bytes.Buffer
	if err := to.Rewrite(bufio.NewWriter(&body), resp.Body, func() error { return nil }); err != nil {
		return err
	}
	return x.write(resp.StatusCode, body.Bytes())
}

// write sends a response that is whole.
func (x *exchange) write(status int, body []byte) error {
	if status != http.StatusNotModified {
		x.w.Header()[upstream.Spell("Content-Length")] = []string{strconv.Itoa(len(body))}
	}
	x.w.WriteHeader(status)
	_, err := x.out().Write(body)
	return err
}

// respondFailure tells a refusal in the client's names, or no more of it than
// its status.
func (x *exchange) respondFailure(resp *http.Response, to names.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, wire.LongestError))
	if len(body) > 0 || err != nil {
		if body, err = to.Failure(body); err != nil {
			body = x.refusalOf(resp)
		}
		x.w.Header()["Content-Type"] = []string{"application/xml"}
	}
	return x.write(resp.StatusCode, body)
}

// refusalOf is a response of our own for a refusal that can't be told.
func (x *exchange) refusalOf(resp *http.Response) []byte {
	id := resp.Header.Get("X-Amz-Request-Id")
	if id == "" {
		id = x.requestID
	}
	return s3err.ForStatus(resp.StatusCode).XML(x.place().Path(), id)
}

// place is what the client's request is about, by the client's names.
func (x *exchange) place() names.Place { return names.Place{Bucket: x.bucket, Key: x.req.Key} }

// source is what a copy or a rename reads, nil for all other requests.
func (x *exchange) source() *names.Place {
	switch from := x.req.CopySource; {
	case from != nil:
		return &names.Place{Bucket: x.stores.Buckets.Find(from.Bucket), Key: from.Key}
	case x.req.RenameSource != "":
		return &names.Place{Bucket: x.bucket, Key: x.req.RenameSource}
	}
	return nil
}

// location is the URL of that place, in the style that the client uses.
func (x *exchange) location() string {
	path := "/" + wire.Encode(x.req.Key, wire.InPath)
	if !x.req.Virtual {
		path = "/" + wire.Encode(x.req.Bucket, wire.InPath) + path
	}
	return x.clientScheme + "://" + askedHost(x.hosts) + path
}
