package front

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"
)

// held is a duplicate of a socket, as a child of the process has it.
func held(t *testing.T, socket any) {
	t.Helper()
	duplicate, err := socket.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = duplicate.Close() })
}

func TestAConnectionEndsForTheClientAlsoWhileAChildHoldsIt(t *testing.T) {
	local, err := OpenUnix(socketPath(t))
	if err != nil {
		t.Fatal(err)
	}
	overUnix := Listen(local, Options{Limit: 1})
	t.Cleanup(func() { _ = overUnix.Close() })
	for name, c := range map[string]struct {
		l   *Listener
		tls bool
	}{
		"TCP": {listen(t, 1, nil), false}, "unix": {overUnix, false}, "TLS": {listen(t, 1, serverTLS(t)), true},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := net.Dial(c.l.Addr().Network(), c.l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = client.Close() })
			if c.tls {
				secure := tls.Client(client, &tls.Config{InsecureSkipVerify: true})
				go func() { _ = secure.Handshake() }()
				client = secure
			}
			server, err := c.l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if c.tls {
				held(t, server.(*coalescingConn).NetConn())
			} else {
				held(t, server)
			}
			_ = server.Close()
			_ = client.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, err := client.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("the client reads %v", err)
			}
			if secure, ok := client.(*tls.Conn); ok { // that was the goodbye of TLS
				if _, err := secure.NetConn().Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("below TLS it reads %v", err)
				}
			}
		})
	}
}

func TestAPortIsFreeAlsoWhileAChildHoldsIt(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("shutdown(2) of a listening socket is Linux's")
	}
	tcp, err := Open("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	local, err := OpenUnix(socketPath(t))
	if err != nil {
		t.Fatal(err)
	}
	for network, inner := range map[string]net.Listener{"tcp": tcp, "unix": local} {
		t.Run(network, func(t *testing.T) {
			held(t, inner)
			l := Listen(inner, Options{Limit: 1})
			address := l.Addr().String()
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := l.Accept(); err != net.ErrClosed {
				t.Errorf("the server hears %v", err)
			}
			if conn, err := net.Dial(network, address); err == nil {
				_ = conn.Close()
				t.Error("it still takes connections")
			}
			again, err := net.Listen(network, address)
			if err != nil {
				t.Fatal(err)
			}
			_ = again.Close()
		})
	}
}
