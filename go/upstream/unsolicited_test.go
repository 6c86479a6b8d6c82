package upstream

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"osp/go/stores"
	"osp/go/tcp"
)

const forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"

// What a store sends beyond an answer must never be another client's answer.
func TestWhatFollowsAnAnswerIsNotTheNextOne(t *testing.T) {
	long := "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + strings.Repeat("x", 200_000)
	for name, first := range map[string]struct{ method, answer string }{
		"the body of a HEAD":         {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 51\r\n\r\n"},
		"the body of a 204":          {"GET", "HTTP/1.1 204 No Content\r\n\r\n"},
		"more than a long body":      {"GET", long},
		"more than a short body":     {"GET", ok},
		"more than an empty body":    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		"the body of a Not Modified": {"GET", "HTTP/1.1 304 Not Modified\r\n\r\n"},
	} {
		received, said := make(chan struct{}), make(chan struct{})
		s := newScripted(t, func(number int, c *scriptedConn) {
			for c.request() != nil {
				if number > 1 {
					c.say(ok)
					continue
				}
				c.say(first.answer)
				<-received
				c.say(forged)
				close(said)
				c.request() // wait for the other end to close
				return
			}
		})
		c := client(t)
		if _, err := do(t, c, Call{Method: first.method, Bucket: s.bucket(nil)}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		close(received)
		<-said
		if got, err := do(t, c, Call{Bucket: s.bucket(nil)}); err != nil || got != "ok" {
			t.Errorf("%s: the next answer is %q, %v", name, got, err)
		}
	}
}

func TestAConnectionOutlivesTheDeadlineOfItsLastAnswer(t *testing.T) {
	s := newScripted(t, func(_ int, c *scriptedConn) { c.request() })
	dialed, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer dialed.Close()
	raw := tcp.New(dialed.(*net.TCPConn))
	c := newConn(&pool{}, authority{}, raw, raw)
	if err := raw.SetReadDeadline(aLongTimeAgo); err != nil || !c.raw.Quiet() {
		t.Errorf("it counts as closed, %v", err)
	}
}

// gathered is a connection whose writes leave together.
type gathered struct {
	net.Conn
	out bytes.Buffer
}

func (g *gathered) Write(p []byte) (int, error) { return g.out.Write(p) }

func (g *gathered) flush() { _, _ = g.out.WriteTo(g.Conn) }

func TestWhatFollowsAnAnswerInTLSIsNotTheNextOne(t *testing.T) {
	example := httptest.NewUnstartedServer(nil)
	example.StartTLS() // for its certificate
	defer example.Close()
	s := newScripted(t, func(number int, c *scriptedConn) {
		g := &gathered{}
		g.Conn = c.Conn
		secure := tls.Server(flushing{g}, example.TLS.Clone())
		defer secure.Close()
		in := &scriptedConn{Conn: secure, r: bufio.NewReader(secure)}
		for in.request() != nil {
			if number > 1 {
				in.say(ok)
				g.flush()
				continue
			}
			in.say("HTTP/1.1 200 OK\r\nContent-Length: 51\r\n\r\n")
			in.say(forged)
			g.flush()
			in.request() // wait for the other end to close
			return
		}
	})
	insecure := func(b *stores.Bucket) { b.TLS, b.VerifyTLS = true, false }
	c := client(t)
	if _, err := do(t, c, Call{Method: http.MethodHead, Bucket: s.bucket(insecure)}); err != nil {
		t.Fatal(err)
	}
	if got, err := do(t, c, Call{Bucket: s.bucket(insecure)}); err != nil || got != "ok" {
		t.Errorf("the next answer is %q, %v", got, err)
	}
}

// flushing sends what was written before it reads, as in a handshake.
type flushing struct{ *gathered }

func (f flushing) Read(p []byte) (int, error) {
	f.flush()
	return f.Conn.Read(p)
}
