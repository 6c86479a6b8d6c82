package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"osp/go/callbacks"
)

// unixClient speaks to a unix socket, whatever the URL says.
func unixClient(t *testing.T, path string) *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	transport := &http.Transport{DisableCompression: true, DialContext: dial}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// socketPath is in a folder with a short name: t.TempDir may be longer than the
// system allows.
func socketPath(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "osp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return filepath.Join(folder, "s3.sock")
}

func TestALongAnswerFlowsThroughAUnixSocketAsItComes(t *testing.T) {
	path := socketPath(t)
	r := start(t, callbacks.Set{}, settings{"http_port": nil, "unix_socket": path})
	half := bytes.Repeat([]byte("0123456789"), 10_001)
	read := make(chan struct{})
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(2*len(half)))
		_, _ = w.Write(half)
		_ = http.NewResponseController(w).Flush()
		<-read
		_, _ = w.Write(half)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // or a failing test would hang
	defer cancel()
	resp, err := unixClient(t, path).Do(r.Signed("GET", "/photos/k", "").WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.ReadFull(resp.Body, make([]byte, len(half))); err != nil {
		t.Errorf("%d bytes of the half that was there: %v", n, err)
	}
	close(read)
	if rest, err := io.ReadAll(resp.Body); !bytes.Equal(rest, half) || err != nil {
		t.Errorf("the other half has %d bytes, %v", len(rest), err)
	}
}

func TestAUnixSocketServesAsAPortDoes(t *testing.T) {
	path := socketPath(t)
	sources := make(chan string, 1)
	h := callbacks.Set{ValidatorSeesRequest: true, Validator: func(_ context.Context, q *callbacks.Request) (callbacks.Decision, error) {
		sources <- q.Source
		return callbacks.Decision{Allow: true, Once: true}, nil
	}}
	r := start(t, h, settings{"http_port": nil, "unix_socket": path, "trusted_proxies": []string{"unix"}})
	if r.server.HTTPPort() != 0 {
		t.Errorf("it has port %d", r.server.HTTPPort())
	}
	client := unixClient(t, path)
	object := bytes.Repeat([]byte("0123456789"), 300_000)
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(object) })
	for _, c := range []struct {
		name   string
		header []string
		source string
	}{
		{"nobody between", nil, "unix"},
		{"a forwarder", []string{"X-Forwarded-For", "192.0.2.7"}, "192.0.2.7"},
	} {
		req := r.Signed("GET", "/photos/k", "")
		for i := 0; i < len(c.header); i += 2 {
			req.Header.Set(c.header[i], c.header[i+1])
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != 200 || !bytes.Equal(body, object) || err != nil {
			t.Errorf("%s: %d with %d bytes, %v", c.name, resp.StatusCode, len(body), err)
		}
		if got := <-sources; got != c.source {
			t.Errorf("%s: the source is %q, want %q", c.name, got, c.source)
		}
	}
	unsigned := r.Request("PUT", "/photos/k", string(object))
	resp, err := client.Do(unsigned)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 403 {
		t.Errorf("without a signature: %d", resp.StatusCode)
	}
	if err := New(r.server.cfg, callbacks.Set{}, r.server.log).Listen(); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second one: %v", err)
	}
	client.CloseIdleConnections()
	if err := r.server.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after the end: %v", err)
	}
}
