package proxy

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"osp/go/callbacks"
	"osp/go/config"
	"osp/go/config/configtest"
	"osp/go/pipeline/pipelinetest"
)

func TestWhatIsNoRequestIsToldSoAsS3Does(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	for text, want := range map[string]string{
		"GET /photos/k HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n":                               "400 InvalidRequest",
		"GET /photos/k HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n": "431 RequestHeaderSectionTooLarge",
		"GET /photos/k HTTP/2.0\r\nHost: a\r\n\r\n":                                          "505 NotImplemented",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.WriteString(conn, text) }() // it may be refused before its end
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = conn.Close()
		if got := fmt.Sprint(resp.StatusCode, " ", reply{Response: resp, Content: body}.Code()); got != want || resp.Header.Get("Content-Type") != "application/xml" {
			t.Errorf("%.60q: got %s %s", text, got, body)
		}
	}
}

func TestStopLetsRequestsInFlightEnd(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	began, end := make(chan struct{}), make(chan struct{})
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		close(began)
		<-end
		_, _ = w.Write([]byte("done"))
	})
	answered := make(chan reply, 1)
	req := r.Signed("GET", "/photos/k", "")
	go func() { answered <- r.Do(req) }()
	<-began
	stopped := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		stopped <- r.server.Stop(ctx)
	}()
	for { // until the listener is closed: the stop has begun
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.URL, "http://"))
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	close(end)
	if a := <-answered; string(a.Content) != "done" {
		t.Errorf("got %d %q", a.StatusCode, a.Content)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, err := pipelinetest.Client.Do(r.Request("GET", "/", "")); err == nil {
		t.Error("the port still answers")
	}
}

func TestAnAnnouncedStopSendsClientsElsewhereAndServesThem(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"metrics_port": 0})
	ready := "http://127.0.0.1:" + strconv.Itoa(r.server.MetricsPort()) + "/readyz"
	signed := r.Signed("GET", "/photos/k", "")
	expect := func(status, readiness int, closes bool) {
		t.Helper()
		if a := r.Do(must(http.NewRequestWithContext(t.Context(), "GET", ready, nil))); a.StatusCode != readiness {
			t.Errorf("/readyz says %d", a.StatusCode)
		}
		for _, req := range []*http.Request{signed, r.Request("GET", "/photos/k", "")} { // the second is refused
			if a := r.Do(req); a.StatusCode != status || a.Close != closes {
				t.Errorf("got %d, which closes: %t", a.StatusCode, a.Close)
			}
			status = http.StatusForbidden
		}
	}
	expect(200, 200, false)
	r.server.AnnounceStop()
	expect(200, 503, true)
	expect(200, 503, true) // over another connection
}

func TestAServerThatNeverServedStops(t *testing.T) {
	cfg, err := config.Parse(configtest.Document(nil))
	if err != nil {
		t.Fatal(err)
	}
	s := New(cfg, callbacks.Set{}, slog.New(slog.DiscardHandler))
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	<-s.Done()
}

func TestTheOwnerIsWarnedOfWhatMayNotBeMeant(t *testing.T) {
	for warning, change := range map[string]settings{
		"nobody can sign": {"hmac_keystore": nil},
		"NOT checked":     {"skip_signature_validation": true},
		"good again":      {"shared_keys": aKeyring, "roles": aRole},
	} {
		if log := start(t, callbacks.Set{}, change).Log.String(); !strings.Contains(log, warning) {
			t.Errorf("no %q in %s", warning, log)
		}
	}
	if log := start(t, callbacks.Set{}, nil).Log.String(); strings.Contains(log, "level=WARN") {
		t.Errorf("a warning for nothing: %s", log)
	}
	for name, change := range map[string]settings{"no keyring": {"roles": aRole}, "nobody gets a session": {"shared_keys": aKeyring}} {
		if log := start(t, callbacks.Set{}, change).Log.String(); strings.Contains(log, "good again") {
			t.Errorf("%s: %s", name, log)
		}
	}
}

var (
	aKeyring = []string{"k1:" + base64.StdEncoding.EncodeToString(make([]byte, 32))}
	aRole    = settings{"reader": settings{"keys": "*"}}
)

func TestWhoIssuesKeysThatEndWithTheProcessIsToldOnce(t *testing.T) {
	for name, c := range map[string]struct {
		change settings
		times  int
	}{"no keyring": {nil, 1}, "a keyring": {settings{"shared_keys": aKeyring}, 0}} {
		r := start(t, callbacks.Set{}, c.change)
		for range 2 {
			if _, err := r.server.Issue([]byte(`{"token": "alice", "ttl": 60}`)); err != nil {
				t.Fatal(err)
			}
		}
		if n := strings.Count(r.Log.String(), "temporary keys end with this process"); n != c.times {
			t.Errorf("%s: told %d times: %s", name, n, r.Log)
		}
	}
}
