package pipeline

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"

	"osp/go/limits"
	"osp/go/names"
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/upstream"
)

const copyBufferSize = 128 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copyBufferSize]byte) }}

// respond streams the store's response to the client. An error after the first
// byte makes the caller break the connection; whatever it is, it says whose
// fault it is.
func (x *exchange) respond(resp *http.Response) error {
	defer resp.Body.Close()
	if err := x.passOn(resp); err != nil {
		return x.brokenOff(err)
	}
	return nil
}

func (x *exchange) passOn(resp *http.Response) error {
	to := names.Response{Place: x.place(), Source: x.source()}
	header := resp.Header
	if to.Hides() {
		header = withoutNames(header)
	}
	clientHeader(x.w.Header(), header)
	if x.r.Method == http.MethodHead {
		x.w.WriteHeader(resp.StatusCode)
		return nil
	}
	// Where an upload went is always said in the client's terms: the store's own
	// address may be of no use to it.
	if to.Hides() || len(x.deleteErrors) > 0 || x.req.Operation == s3op.CompleteMultipartUpload {
		return x.respondRewritten(resp, to)
	}
	x.w.WriteHeader(resp.StatusCode)
	return x.stream(resp.Body)
}

// stream copies a store's body to the client; from one plain connection to
// another the kernel moves it.
func (x *exchange) stream(from io.Reader) error {
	if x.limits.Limited(limits.Out) { // the kernel knows no rates
		return copyAsItComes(x.w, metered{x, from})
	}
	w := x.w
	var spliced io.ReaderFrom
	if client, ok := w.ResponseWriter.(interface{ Splices() bool }); ok && client.Splices() {
		spliced = w
	}
	if done, err := upstream.Forward(w, spliced, from); done || err != nil {
		return err
	}
	return copyAsItComes(w, from)
}

// newsOfLeaving is how long after a reset it takes to hear that it was the client.
const newsOfLeaving = 500 * time.Millisecond

// brokenOff says whose fault it is that a response did not come to its end.
// Where the kernel moves the bytes a reset is either side's, but the server
// watches the client's.
func (x *exchange) brokenOff(err error) error {
	left := x.w.failed || errors.Is(err, syscall.EPIPE) || x.r.Context().Err() != nil
	if !left && errors.Is(err, syscall.ECONNRESET) {
		select {
		case <-x.r.Context().Done():
			left = true
		case <-time.After(newsOfLeaving):
		}
	}
	if left {
		return clientLeft.Because(err)
	}
	if e := (*s3err.Error)(nil); errors.As(err, &e) {
		return err
	}
	return s3err.BadGateway.Because(err)
}

// copyAsItComes sends bytes on at once when no more are waiting: a read that
// leaves room in the buffer says so.
func copyAsItComes(w *responseWriter, from io.Reader) error {
	if client, ok := w.ResponseWriter.(sender); ok {
		return w.sendFrom(client, from)
	}
	buffer := copyBuffers.Get().(*[copyBufferSize]byte)
	defer copyBuffers.Put(buffer)
	for {
		n, err := from.Read(buffer[:])
		if n > 0 {
			if _, werr := w.Write(buffer[:n]); werr != nil {
				return werr
			}
			if n < len(buffer) && err == nil {
				if ferr := w.conn.Flush(); ferr != nil {
					return clientLeft.Because(ferr)
				}
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// respondXML sends a document of our own.
func (x *exchange) respondXML(status int, document any) error {
	body, err := xml.Marshal(document)
	if err != nil {
		return err
	}
	body = append([]byte(xml.Header), body...)
	header := x.w.Header()
	header.Set("Content-Type", "application/xml")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("X-Amz-Request-Id", x.requestID)
	x.w.WriteHeader(status)
	_, _ = x.out().Write(body) // the client may have left; there is nobody to tell
	return nil
}
