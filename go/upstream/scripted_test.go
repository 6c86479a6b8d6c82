package upstream

import (
	"bufio"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"osp/go/stores"
)

// scripted is a store that does with each connection what the test says, byte
// by byte.
type scripted struct {
	net.Listener
	t           *testing.T
	connections atomic.Int32
}

// newScripted runs serve for each connection, with its number from 1 on.
func newScripted(t *testing.T, serve func(number int, c *scriptedConn)) *scripted {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{Listener: l, t: t}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			number := int(s.connections.Add(1))
			go func() {
				defer c.Close()
				serve(number, &scriptedConn{Conn: c, r: bufio.NewReader(c)})
			}()
		}
	}()
	return s
}

func (s *scripted) bucket(change func(*stores.Bucket)) *stores.Bucket {
	b := &stores.Bucket{Remote: "photos", Host: "127.0.0.1", Port: s.Addr().(*net.TCPAddr).Port, Region: "eu-west-1",
		Transport: stores.Transport{VerifyTLS: true, ConnectTimeout: time.Second, AnswerTimeout: 5 * time.Second}}
	if change != nil {
		change(b)
	}
	return b
}

type scriptedConn struct {
	net.Conn
	r *bufio.Reader
}

// request reads the head of the next request; nil when none comes.
func (c *scriptedConn) request() *http.Request {
	r, err := http.ReadRequest(c.r)
	if err != nil {
		return nil
	}
	return r
}

func (c *scriptedConn) say(text string) { _, _ = c.Write([]byte(text)) }

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
