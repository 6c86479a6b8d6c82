package h1

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"osp/go/serving"
)

const refuseTimeout = 5 * time.Second // for writing the response to a client that is refused

// refuse responds to what is not a valid request. It does not if the client has
// disconnected.
func (c *conn) refuse(err error) {
	status := 0
	switch {
	case errors.Is(err, errMalformed):
		status = http.StatusBadRequest
	case errors.Is(err, errTooLarge):
		status = http.StatusRequestHeaderFieldsTooLarge
	case errors.Is(err, errVersion):
		status = http.StatusHTTPVersionNotSupported
	case errors.Is(err, errExpect):
		status = http.StatusExpectationFailed
	default: // the client has disconnected, or its time is up
		return
	}
	line := fmt.Sprintf("%d %s", status, http.StatusText(status))
	mediaType, text := "text/plain; charset=utf-8", []byte(line)
	if c.server.Refusal != nil {
		mediaType, text = c.server.Refusal(status)
	}
	_ = c.net.SetWriteDeadline(time.Now().Add(refuseTimeout))
	_, _ = fmt.Fprintf(c.net, "HTTP/1.1 %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		line, c.server.clock.Date(), mediaType, len(text), text)
	serving.Linger(c.net)
}
