package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"time"

	"osp/go/observe"
	"osp/go/s3err"
	"osp/go/sts"
)

// clientLeft is what a request comes to whose client did not wait for its
// response. Nobody gets it; logs and metrics call it by nginx's number.
var clientLeft = s3err.New(499, "ClientClosedRequest", "The client left before the end of the response.")

// refuse writes an error, or breaks the connection where a response has begun.
func (p *Pipeline) refuse(x *exchange, err error) {
	e := s3err.From(err)
	if errors.Is(err, context.Canceled) {
		e = clientLeft
	}
	if x.protocol != nil && e != clientLeft {
		e = sts.Translate(e)
	}
	x.record.code, x.record.status = e.Code, e.Status
	p.logRefusal(x, e)
	if x.w.begun || errors.Is(err, context.Canceled) {
		panic(http.ErrAbortHandler) // a truncated response must never look complete
	}
	header := x.w.Header()
	// What belonged to a response that could not be given goes; the connection is the server's.
	maps.DeleteFunc(header, func(name string, _ []string) bool { return name != "Connection" })
	header["Server"] = p.serverHeader
	x.sayWhich(header)
	if e.Status == http.StatusServiceUnavailable {
		wait := e.Wait()
		if wait == 0 {
			wait = time.Second
		}
		header.Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
		header.Set("X-Amz-Retry-After", strconv.FormatInt(int64((wait+time.Millisecond-1)/time.Millisecond), 10)) // for AWS's SDKs
	}
	if x.r.Method == http.MethodHead {
		x.w.WriteHeader(e.Status)
		return
	}
	mediaType, body := x.failure(e)
	header.Set("Content-Type", mediaType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(e.Status)
	_, _ = x.w.Write(body) // the client may have left; there is nobody to tell
}

// failure is the body of the response to what was refused.
func (x *exchange) failure(e *s3err.Error) (mediaType string, body []byte) {
	if x.protocol != nil {
		return x.protocol.mediaType, x.protocol.failure(e, x.requestID)
	}
	return "application/xml", e.XML(x.r.URL.Path, x.requestID)
}

// sayWhich puts into a header which request it responds to.
func (x *exchange) sayWhich(header http.Header) {
	if x.protocol == nil {
		header.Set("X-Amz-Request-Id", x.requestID)
		return
	}
	header.Set("X-Amzn-Requestid", x.requestID)
	header.Set("Cache-Control", "no-store") // whatever this protocol's responses say
}

// Malformed is the body of the response to what is no request of HTTP, by the
// response's status.
func Malformed(status int) (mediaType string, body []byte) {
	e := s3err.InvalidRequest.Msg("An error occurred when parsing the HTTP request.")
	switch status {
	case http.StatusRequestHeaderFieldsTooLarge:
		e = s3err.HeaderSectionTooLarge
	case http.StatusHTTPVersionNotSupported, http.StatusExpectationFailed:
		e = s3err.NotImplemented.Msg(http.StatusText(status))
	}
	return "application/xml", e.XML("", newRequestID())
}

// logRefusal says why, at a level that fits whose matter it is.
func (p *Pipeline) logRefusal(x *exchange, e *s3err.Error) {
	level := slog.LevelInfo
	if e.Status >= http.StatusInternalServerError && x.record.limit == nil { // that is the client's matter
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("request_id", x.requestID), slog.String("code", e.Code), slog.String("message", observe.Clip(e.Message)),
		slog.String("client", p.hosts.client(x.r)), slog.String("access_key", observe.ShortKey(x.record.accessKey)),
	}
	if x.record.action != "" {
		attrs = append(attrs, slog.String("operation", x.record.action))
	}
	if in := x.record.session; in != nil {
		attrs = append(attrs, slog.String("role", observe.Clip(in.Role)), slog.String("session", observe.Clip(in.Name)))
	}
	if x.req != nil {
		attrs = append(attrs, slog.String("operation", string(x.req.Operation)), slog.String("bucket", observe.Clip(x.req.Bucket)))
	}
	if cause := errors.Unwrap(e); cause != nil {
		attrs = append(attrs, slog.String("cause", observe.Clip(cause.Error())))
	}
	p.log.LogAttrs(x.r.Context(), level, "refused", attrs...)
}
