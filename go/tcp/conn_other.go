//go:build !linux

package tcp

import "net"

type direction struct{}

// New returns a connection that takes over c.
func New(c *net.TCPConn) *Conn { return &Conn{TCPConn: c} }
