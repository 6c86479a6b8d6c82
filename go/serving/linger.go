package serving

import (
	"crypto/tls"
	"net"
	"time"
)

const (
	// lingerTimeout is how long a client may go on sending to a connection that was
	// closed for writing: if it were closed at once, a reset could overtake the
	// response.
	lingerTimeout = 500 * time.Millisecond
	farewell      = 5 * time.Second // for writing the end of TLS to such a client
)

// Secure is a TLS connection: a *tls.Conn, or what wraps one.
type Secure interface {
	net.Conn
	ConnectionState() tls.ConnectionState
	NetConn() net.Conn
	CloseWrite() error
}

// Raw is a connection without its TLS, if it has any.
func Raw(c net.Conn) net.Conn {
	if secure, ok := c.(Secure); ok {
		return secure.NetConn()
	}
	return c
}

// CloseWrite says to the client that nothing more will come. It reports whether the
// client can be heard nonetheless.
func CloseWrite(c net.Conn) bool {
	if secure, ok := c.(Secure); ok {
		_ = secure.SetWriteDeadline(time.Now().Add(farewell))
		_ = secure.CloseWrite()
	}
	half, ok := Raw(c).(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}

// Linger gives a client, to whom nothing more will come, time to read why (RFC 9112
// section 9.6). The caller closes the connection afterwards.
func Linger(c net.Conn) {
	if !CloseWrite(c) {
		return
	}
	raw := Raw(c)
	_ = raw.SetReadDeadline(time.Now().Add(lingerTimeout))
	scrap := make([]byte, 4<<10)
	for {
		if _, err := raw.Read(scrap); err != nil {
			return
		}
	}
}
