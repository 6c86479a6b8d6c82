package front

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"osp/go/peers"
)

// v2 is a header of version 2.
func v2(command, family byte, payload string) string {
	return "\r\n\r\n\x00\r\nQUIT\n" + string([]byte{command, family, byte(len(payload) >> 8), byte(len(payload))}) + payload
}

const (
	endpoints4 = "\xc0\x00\x02\x07" + "\x0a\x00\x00\x01" + "\x30\x39" + "\x01\xbb"
	source6    = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07"
	mapped     = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x07"
)

var endpoints6 = source6 + strings.Repeat("\x00", 16) + "\x30\x39" + "\x01\xbb"

func TestAHeaderTellsTheClientAndEndsWhereItEnds(t *testing.T) {
	for _, c := range []struct{ name, header, want string }{
		{"version 1, IPv4", "PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n", "192.0.2.7:12345"},
		{"version 1, IPv6", "PROXY TCP6 2001:db8::7 ::1 12345 443\r\n", "[2001:db8::7]:12345"},
		{"version 1, the longest", "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
		{"version 1, the shortest", "PROXY UNKNOWN\r\n", "unknown"},
		{"version 1, unknown with more", "PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", "unknown"},
		{"version 2, IPv4", v2(0x21, 0x11, endpoints4), "192.0.2.7:12345"},
		{"version 2, IPv6", v2(0x21, 0x21, endpoints6), "[2001:db8::7]:12345"},
		{"version 2, a mapped address", v2(0x21, 0x21, mapped+endpoints6[16:]), "192.0.2.7:12345"},
		{"version 2, with extensions", v2(0x21, 0x11, endpoints4+"\x04\x00\x03abc"), "192.0.2.7:12345"},
		{"version 2, as long as may be", v2(0x21, 0x11, endpoints4+strings.Repeat("x", 4096-12)), "192.0.2.7:12345"},
		{"version 2, of a unix socket", v2(0x21, 0x31, strings.Repeat("a", 216)), "unknown"},
		{"version 2, unspecified", v2(0x21, 0x00, "abc"), "unknown"},
		{"version 2, the balancer's own", v2(0x20, 0x00, ""), "its own"},
		{"version 2, its own with addresses", v2(0x20, 0x11, endpoints4), "its own"},
		{"version 2, its own of a family that is not known", v2(0x20, 0x77, "abc"), "its own"},
	} {
		r := strings.NewReader(c.header + "GET / HTTP/1.1\r\n")
		got, err := readHeader(r)
		text := "its own"
		if got != nil {
			text = got.String()
		}
		if err != nil || text != c.want {
			t.Errorf("%s: got %s, %v", c.name, text, err)
		}
		if rest, _ := io.ReadAll(r); string(rest) != "GET / HTTP/1.1\r\n" {
			t.Errorf("%s: it leaves %q", c.name, rest)
		}
	}
}

func TestWhatIsNoHeaderIsRefused(t *testing.T) {
	for name, begin := range map[string]string{
		"a request":                "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"a request with PROXY":     "PROXY / HTTP/1.1\r\nHost: a\r\n\r\n",
		"lower case":               "proxy TCP4 192.0.2.7 10.0.0.1 12345 443\r\n",
		"a family in lower case":   "PROXY tcp4 192.0.2.7 10.0.0.1 12345 443\r\n",
		"UDP":                      "PROXY UDP4 192.0.2.7 10.0.0.1 12345 443\r\n",
		"no family":                "PROXY  192.0.2.7 10.0.0.1 12345 443\r\n",
		"a field too few":          "PROXY TCP4 192.0.2.7 10.0.0.1 12345\r\n",
		"a field too many":         "PROXY TCP4 192.0.2.7 10.0.0.1 12345 443 5\r\n",
		"two spaces":               "PROXY TCP4 192.0.2.7  10.0.0.1 12345 443\r\n",
		"a tab":                    "PROXY TCP4 192.0.2.7\t10.0.0.1 12345 443\r\n",
		"IPv6 in TCP4":             "PROXY TCP4 ::1 ::1 12345 443\r\n",
		"IPv4 in TCP6":             "PROXY TCP6 192.0.2.7 10.0.0.1 12345 443\r\n",
		"a zone":                   "PROXY TCP6 fe80::1%eth0 ::1 12345 443\r\n",
		"an octal address":         "PROXY TCP4 192.0.02.7 10.0.0.1 12345 443\r\n",
		"a name":                   "PROXY TCP4 localhost 10.0.0.1 12345 443\r\n",
		"a port too high":          "PROXY TCP4 192.0.2.7 10.0.0.1 65536 443\r\n",
		"a signed port":            "PROXY TCP4 192.0.2.7 10.0.0.1 +1 443\r\n",
		"a padded port":            "PROXY TCP4 192.0.2.7 10.0.0.1 080 443\r\n",
		"no port":                  "PROXY TCP4 192.0.2.7 10.0.0.1  443\r\n",
		"a wrong destination":      "PROXY TCP4 192.0.2.7 10.0.0 12345 443\r\n",
		"a wrong second port":      "PROXY TCP4 192.0.2.7 10.0.0.1 12345 x\r\n",
		"a bare LF":                "PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\n" + strings.Repeat("a", 107),
		"a line without end":       "PROXY UNKNOWN " + strings.Repeat("a", 200),
		"a line one byte too long": "PROXY UNKNOWN " + strings.Repeat("a", 92) + "\r\n",
		"version 1 in binary":      v2(0x11, 0x11, endpoints4),
		"version 3":                v2(0x31, 0x11, endpoints4),
		"another command":          v2(0x22, 0x11, endpoints4),
		"a datagram":               v2(0x21, 0x12, endpoints4),
		"another family":           v2(0x21, 0x41, endpoints4),
		"too short for IPv4":       v2(0x21, 0x11, endpoints4[:11]),
		"too short for IPv6":       v2(0x21, 0x21, endpoints6[:35]),
		"too short for a socket":   v2(0x21, 0x31, strings.Repeat("a", 215)),
		"too long":                 v2(0x21, 0x11, endpoints4+strings.Repeat("x", 4096-11)),
	} {
		if got, err := readHeader(strings.NewReader(begin)); !errors.Is(err, errHeader) || got != nil {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	for _, whole := range []string{"PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n", v2(0x21, 0x11, endpoints4)} {
		for end := range len(whole) {
			if got, err := readHeader(strings.NewReader(whole[:end])); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) || got != nil {
				t.Errorf("%q: got %v, %v", whole[:end], got, err)
			}
		}
	}
}

// behind is a listener whose balancers are those of a network. The channel has
// the lines of its log.
func behind(t *testing.T, network string, secure *tls.Config) (*Listener, <-chan string) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lines := make(logged, 10)
	l := Listen(inner, Options{
		Limit: 10, TLS: secure, Log: slog.New(slog.NewTextHandler(lines, nil)),
		Balancers: peers.Trusted{Networks: []netip.Prefix{netip.MustParsePrefix(network)}},
	})
	t.Cleanup(func() { _ = l.Close() })
	return l, lines
}

type logged chan string

func (l logged) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func TestABalancerIntroducesItsClient(t *testing.T) {
	for _, header := range []string{"PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n", v2(0x21, 0x11, endpoints4)} {
		l, _ := behind(t, "127.0.0.0/8", nil)
		if _, err := io.WriteString(dial(t, l), header+"GET"); err != nil {
			t.Fatal(err)
		}
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.RemoteAddr().String(); got != "announced:192.0.2.7:12345" {
			t.Errorf("the client is %s", got)
		}
		text := make([]byte, 3)
		if _, err := io.ReadFull(conn, text); string(text) != "GET" || err != nil {
			t.Errorf("what follows is %q, %v", text, err)
		}
		if _, ok := conn.(io.ReaderFrom); !ok {
			t.Error("the kernel can't move answers any more")
		}
	}
}

func TestABalancerIntroducesItsClientBeforeTLS(t *testing.T) {
	l, _ := behind(t, "127.0.0.0/8", serverTLS(t))
	client := dial(t, l)
	go func() {
		_, _ = io.WriteString(client, "PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n")
		_ = tls.Client(client, &tls.Config{InsecureSkipVerify: true}).Handshake()
	}()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if got := conn.RemoteAddr().String(); got != "announced:192.0.2.7:12345" {
		t.Errorf("the client is %s", got)
	}
}

func TestABalancerThatSpeaksForItselfKeepsItsAddress(t *testing.T) {
	l, _ := behind(t, "127.0.0.0/8", nil)
	client := dial(t, l)
	_, _ = io.WriteString(client, v2(0x20, 0, ""))
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if got := conn.RemoteAddr().String(); got != client.LocalAddr().String() {
		t.Errorf("the client is %s", got)
	}
}

func TestNobodyElseIsBelieved(t *testing.T) {
	l, _ := behind(t, "10.0.0.0/8", nil)
	client := dial(t, l)
	header := "PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n"
	_, _ = io.WriteString(client, header)
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if got := conn.RemoteAddr().String(); got != client.LocalAddr().String() {
		t.Errorf("the client is %s", got)
	}
	text := make([]byte, len(header))
	if _, err := io.ReadFull(conn, text); string(text) != header || err != nil { // which is no request
		t.Errorf("the server sees %q, %v", text, err)
	}
}

func TestABalancerWithoutAHeaderIsRefused(t *testing.T) {
	l, lines := behind(t, "127.0.0.0/8", nil)
	silent := dial(t, l)   // holds up nobody
	_ = dial(t, l).Close() // looks whether the port is open, which is no news
	client := dial(t, l)
	_, _ = io.WriteString(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if got, err := io.ReadAll(client); len(got) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("it got %q, %v", got, err)
	}
	if line := <-lines; !strings.Contains(line, client.LocalAddr().String()) || strings.Contains(line, "GET") {
		t.Errorf("the log says %s", line)
	}
	_ = silent.SetReadDeadline(time.Now().Add(4 * headerTimeout)) // or a failing test would hang
	if got, err := io.ReadAll(silent); len(got) > 0 || err != nil {
		t.Errorf("the silent one got %q, %v", got, err)
	}
	if line := <-lines; !strings.Contains(line, silent.LocalAddr().String()) {
		t.Errorf("the log says %s", line)
	}
	for l.Open() > 0 { // or the test hangs: the last gives its place back just now
		runtime.Gosched()
	}
}

func TestTheEndDoesNotWaitForABalancer(t *testing.T) {
	l, lines := behind(t, "127.0.0.0/8", nil)
	client := dial(t, l)
	_, _ = io.WriteString(client, "PROXY ")
	for l.Open() == 0 { // or the test hangs
		runtime.Gosched()
	}
	began := time.Now()
	_ = l.Close()
	_, _ = io.ReadAll(client)
	if time.Since(began) >= headerTimeout || len(lines) > 0 {
		t.Errorf("after %v, with %d lines", time.Since(began), len(lines))
	}
}

// FuzzHeader: what was read of a good header is that header, whole and alone.
func FuzzHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\nGET /"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte(v2(0x21, 0x11, endpoints4) + "GET /"))
	f.Add([]byte(v2(0x21, 0x21, endpoints6)))
	f.Add([]byte(v2(0x20, 0x00, "")))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		got, err := readHeader(r)
		if err != nil {
			if got != nil {
				t.Errorf("%v beside %v", got, err)
			}
			return
		}
		header := data[:len(data)-r.Len()]
		if len(header) > 16+longestV2 {
			t.Errorf("a header of %d bytes", len(header))
		}
		again, err := readHeader(bytes.NewReader(header))
		if err != nil || (again == nil) != (got == nil) || got != nil && again.String() != got.String() {
			t.Errorf("%q: %v, then %v, %v", header, got, again, err)
		}
		if _, err := readHeader(bytes.NewReader(header[:len(header)-1])); err == nil {
			t.Errorf("%q is one without its last byte", header)
		}
	})
}
