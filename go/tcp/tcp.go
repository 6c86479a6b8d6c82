// Package tcp makes connections of package net cheaper where requests are small and
// few. It knows nothing of what goes over them.
package tcp

import "net"

// Conn is a TCP connection that does all that a *net.TCPConn does. On Linux Read and
// Write do it for less: see conn_raw.go.
type Conn struct {
	*net.TCPConn
	shortcut
}
