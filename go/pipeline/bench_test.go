package pipeline

import (
	"bufio"
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"osp/go/callbacks"
	"osp/go/pipeline/pipelinetest"
	"osp/go/session"
)

// These measure what a warm GET of 1 KiB costs: BenchmarkStages the stages up
// to the call that goes to the store, BenchmarkHandler those and the way to
// the store and back. BenchmarkServer, in package proxy, measures all of it, from
// the client's socket on. The store is a loop over canned bytes, so that profiles
// show the proxy.

// warm starts a pipeline in front of a canned store and returns it with a
// request that it has served once, as net/http hands it over.
func warm(b testing.TB, seesRequest bool) (*rig, *http.Request) {
	b.Helper()
	allow := func(context.Context, *callbacks.Request) (callbacks.Decision, error) {
		return callbacks.Decision{Allow: true}, nil
	}
	r := start(b, callbacks.Set{Validator: allow, ValidatorSeesRequest: seesRequest}, pipelinetest.Canned(b))
	return r, r.serves(r.Wire())
}

// serves returns a request that has been served once, as net/http hands it over.
func (r *rig) serves(wire []byte) *http.Request {
	b := r.T
	b.Helper()
	request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(wire)))
	if err != nil {
		b.Fatal(err)
	}
	request.RemoteAddr = "127.0.0.1:40000"
	served := httptest.NewRecorder()
	r.pipeline.handle("http", served, request)
	if served.Code != http.StatusOK || served.Body.Len() != pipelinetest.ObjectSize {
		b.Fatalf("got %d with %d bytes", served.Code, served.Body.Len())
	}
	return request
}

func BenchmarkStages(b *testing.B) {
	r, request := warm(b, false)
	b.ReportAllocs()
	for b.Loop() {
		if err := stages(r.pipeline, request); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSession compares a session with a key of the keystore.
func BenchmarkSession(b *testing.B) {
	r, _ := warm(b, true)
	for name, keys := range map[string]aws.Credentials{
		"a static key": {AccessKeyID: clientKey, SecretAccessKey: clientSecret},
		"a session":    r.issued(session.Session{Token: "alice", Role: "analyst", Name: "laptop"}),
	} {
		b.Run(name, func(b *testing.B) {
			var wire bytes.Buffer
			if err := r.by(keys, "GET", "/photos/2026/03/01/0001.jpg", "").Write(&wire); err != nil {
				b.Fatal(err)
			}
			request := r.serves(wire.Bytes())
			b.ReportAllocs()
			for b.Loop() {
				if err := stages(r.pipeline, request); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// They made 60 before they were looked at, and 18 after.
func TestTheStagesOfAWarmRequestAllocateLittle(t *testing.T) {
	r, request := warm(t, false)
	allocations := testing.AllocsPerRun(1000, func() {
		if err := stages(r.pipeline, request); err != nil {
			t.Fatal(err)
		}
	})
	if allocations > 30 { // the race detector empties pools at random
		t.Errorf("%v allocations", allocations)
	}
}

// stages is the beginning of serve.
func stages(p *Pipeline, r *http.Request) error {
	x := &exchange{w: newResponseWriter(&sink{}), r: r, clientScheme: "http", requestID: newRequestID(), stores: p.stores.Load()}
	err := p.parse(x)
	if err != nil {
		return err
	}
	if err := p.authenticate(x); err != nil {
		return err
	}
	if err := p.authorize(x); err != nil {
		return err
	}
	_, err = p.prepare(x)
	return err
}

func BenchmarkHandler(b *testing.B) {
	for name, seesRequest := range map[string]bool{"by token and bucket": false, "by all of the request": true} {
		b.Run(name, func(b *testing.B) {
			r, request := warm(b, seesRequest)
			b.ReportAllocs()
			for b.Loop() {
				w := &sink{header: http.Header{}}
				r.pipeline.handle("http", w, request)
				if w.status != http.StatusOK || w.size != pipelinetest.ObjectSize {
					b.Fatalf("got %d with %d bytes", w.status, w.size)
				}
			}
		})
	}
}

// sink is a connection to a client that takes all.
type sink struct {
	header http.Header
	status int
	size   int
}

func (s *sink) Header() http.Header              { return s.header }
func (s *sink) WriteHeader(status int)           { s.status = status }
func (s *sink) Flush()                           {}
func (s *sink) SetReadDeadline(time.Time) error  { return nil }
func (s *sink) SetWriteDeadline(time.Time) error { return nil }

func (s *sink) Write(p []byte) (int, error) {
	s.size += len(p)
	return len(p), nil
}
