package tracing

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"osp/go/observe"
)

// double is a collector that keeps what it gets.
type double struct {
	*httptest.Server
	mu      sync.Mutex
	got     []*spans.Span
	about   map[string]string
	headers http.Header
}

func newDouble(t *testing.T) *double {
	t.Helper()
	d := &double{about: map[string]string{}}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
			http.Error(w, "not OTLP", http.StatusBadRequest)
			return
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.headers = r.Header.Clone()
		for _, of := range request.ResourceSpans {
			for _, a := range of.Resource.Attributes {
				d.about[a.Key] = a.Value.GetStringValue()
			}
			for _, in := range of.ScopeSpans {
				d.got = append(d.got, in.Spans...)
			}
		}
	}))
	t.Cleanup(d.Close)
	return d
}

func (d *double) span(t *testing.T, name string) *spans.Span {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.got {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no span %s among %v", name, d.got)
	return nil
}

func attributeOf(s *spans.Span, name string) string {
	for _, a := range s.Attributes {
		if a.Key == name {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

const (
	traceID = "0af7651916cd43dd8448eb211c80319c"
	parent  = "00-" + traceID + "-b7ad6b7169203331-01"
)

func TestARequestItsStoreAndItsCallbackAreOneTrace(t *testing.T) {
	d := newDouble(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", d.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=seven")
	t.Setenv("OTEL_SERVICE_NAME", "my-proxy")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
	tracer := New("1.2.3", slog.New(slog.DiscardHandler))
	if tracer == nil {
		t.Fatal("tracing is off")
	}
	r := httptest.NewRequest("GET", "/photos/k?X-Amz-Signature=abc", nil)
	r.Header.Set("Traceparent", parent)
	r.Header.Set("Tracestate", "vendor=1")
	begun := time.Now().Add(-time.Second)
	ctx := tracer.Begin(r, begun)
	tracer.CallbackEnded(observe.Callback{Ctx: ctx, Name: "validator", Outcome: observe.Failed, Begun: begun, Took: time.Millisecond})
	tracer.CallbackEnded(observe.Callback{Ctx: t.Context(), Name: "shadow_validator", Outcome: observe.Answered, Begun: begun})
	header := http.Header{"Traceparent": {parent}}
	_, end := tracer.Upstream(ctx, "GET", "store.example", 443, header)
	end(503, nil)
	tracer.Ended(&observe.Exchange{
		Ctx: ctx, Begun: begun, Total: time.Second, Method: "GET", Operation: "GetObject", Path: "/photos/k", Bucket: "photos",
		Key: "k\xff", Status: 503, Code: "SlowDown", RequestID: "ID", AccessKey: "AKIA",
	})
	tracer.Close()

	server, client, callback := d.span(t, "GetObject"), d.span(t, "GET"), d.span(t, "validator")
	if hex.EncodeToString(server.TraceId) != traceID || hex.EncodeToString(server.ParentSpanId) != "b7ad6b7169203331" || server.Kind != spans.Span_SPAN_KIND_SERVER {
		t.Errorf("the request's span: %v", server)
	}
	if len(d.got) != 3 { // none of a question that no request has asked
		t.Errorf("%d spans", len(d.got))
	}
	for _, child := range []*spans.Span{client, callback} {
		if !bytes.Equal(child.TraceId, server.TraceId) || !bytes.Equal(child.ParentSpanId, server.SpanId) || child.Status.GetCode() != spans.Status_STATUS_CODE_ERROR {
			t.Errorf("a child: %v", child)
		}
	}
	if want := "00-" + traceID + "-" + hex.EncodeToString(client.SpanId) + "-01"; header.Get("Traceparent") != want || header.Get("Tracestate") != "vendor=1" {
		t.Errorf("the store gets %v, want %s", header, want)
	}
	if took := time.Duration(server.EndTimeUnixNano - server.StartTimeUnixNano); took != time.Second {
		t.Errorf("it took %v", took)
	}
	if attributeOf(server, "aws.s3.key") != "k\ufffd" || attributeOf(server, "url.path") != "/photos/k" || attributeOf(server, "error.type") != "SlowDown" || attributeOf(client, "server.address") != "store.example" {
		t.Errorf("%v\n%v", server, client)
	}
	if strings.Contains(server.String()+client.String(), "abc") || strings.Contains(server.String(), "AKIA") {
		t.Error("a signature or a key is in a span")
	}
	if d.about["service.name"] != "my-proxy" || d.about["service.version"] != "1.2.3" || d.about["deployment.environment"] != "test" || d.headers.Get("X-Tenant") != "seven" {
		t.Errorf("%v, %v", d.about, d.headers)
	}
}

func TestATraceparentThatMakesNoSenseIsReplaced(t *testing.T) {
	d := newDouble(t)
	t.Setenv("OTEL_TRACES_EXPORTER", "otlp")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", d.URL+"/v1/traces")
	tracer := New("1", slog.New(slog.DiscardHandler))
	r := httptest.NewRequest("GET", "/", nil)
	header := http.Header{"Traceparent": {"00-zz"}, "Tracestate": {"stale=1"}}
	r.Header = header.Clone()
	ctx := tracer.Begin(r, time.Now())
	_, end := tracer.Upstream(ctx, "GET", "s", 80, header)
	end(0, errors.New("unreachable"))
	tracer.Ended(&observe.Exchange{Ctx: ctx, Begun: time.Now(), Method: "GET"})
	tracer.Close()
	if s := d.span(t, "GET"); header.Get("Traceparent")[:3] != "00-" || len(header.Get("Traceparent")) != 55 || header.Get("Tracestate") != "" || len(s.TraceId) != 16 {
		t.Errorf("%v", header)
	}
}

func TestTheSamplerOfTheEnvironmentCounts(t *testing.T) {
	d := newDouble(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", d.URL)
	t.Setenv("OTEL_TRACES_SAMPLER", "always_off")
	tracer := New("1", slog.New(slog.DiscardHandler))
	ctx := tracer.Begin(httptest.NewRequest("GET", "/", nil), time.Now())
	header := http.Header{}
	_, end := tracer.Upstream(ctx, "GET", "s", 80, header)
	end(200, nil)
	tracer.Ended(&observe.Exchange{Ctx: ctx})
	tracer.Close()
	if len(d.got) != 0 || !strings.HasSuffix(header.Get("Traceparent"), "-00") {
		t.Errorf("%v, %v", d.got, header)
	}
}

func TestACollectorThatIsDownIsToldOnce(t *testing.T) {
	d := newDouble(t)
	d.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", d.URL)
	var said bytes.Buffer
	tracer := New("1", slog.New(slog.NewTextHandler(&said, nil)))
	begun := time.Now()
	tracer.Ended(&observe.Exchange{Ctx: tracer.Begin(httptest.NewRequest("GET", "/", nil), begun), Begun: begun})
	tracer.Close()
	if took := time.Since(begun); took > 2*shutdownTime {
		t.Errorf("the end took %v", took)
	}
	if strings.Count(said.String(), "msg=tracing") != 1 {
		t.Errorf("said %s", said.String())
	}
}

func TestTracingIsOffUnlessAskedFor(t *testing.T) {
	for _, c := range []struct {
		env   string
		want  bool
		warns bool
	}{
		{"", false, false},
		{"OTEL_SERVICE_NAME=x", false, false},
		{"OTEL_TRACES_EXPORTER=otlp", true, false},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318", true, false},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://c:4318/v1/traces", true, false},
		{"OTEL_TRACES_EXPORTER=none OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318", false, false},
		{"OTEL_TRACES_EXPORTER=zipkin", false, true},
		{"OTEL_TRACES_EXPORTER=otlp OTEL_SDK_DISABLED=True", false, false},
		{"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", true, false},
		{"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_PROTOCOL=grpc", false, true},
		{"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_PROTOCOL=grpc OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf", true, false},
	} {
		env := map[string]string{}
		for _, pair := range strings.Fields(c.env) {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
		var said bytes.Buffer
		if got := wanted(func(name string) string { return env[name] }, slog.New(slog.NewTextHandler(&said, nil))); got != c.want || (said.Len() > 0) != c.warns {
			t.Errorf("%s: %v, said %q", c.env, got, said.String())
		}
	}
	var none *Tracer
	none.Close()
}
