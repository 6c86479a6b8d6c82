package h1

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	// lingerTimeout is how long a client may go on sending after it was refused: if
	// the connection were closed at once, a reset could overtake the response.
	lingerTimeout = 500 * time.Millisecond
	refuseTimeout = 5 * time.Second // for writing the response to such a client
)

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
		line, c.server.dateValue(), mediaType, len(text), text)
	c.lingeringClose()
}

// lingeringClose closes the connection for writing and gives the client time to
// read why (RFC 9112 section 9.6).
func (c *conn) lingeringClose() {
	if secure, ok := c.net.(secureConn); ok {
		_ = secure.SetWriteDeadline(time.Now().Add(refuseTimeout))
		_ = secure.CloseWrite()
	}
	raw := c.raw()
	half, ok := raw.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = raw.SetReadDeadline(time.Now().Add(lingerTimeout))
	scrap := make([]byte, 4<<10)
	for {
		if _, err := raw.Read(scrap); err != nil {
			return
		}
	}
}
