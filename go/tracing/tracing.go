// Package tracing makes OpenTelemetry spans of requests, of the stores' part in
// them and of callbacks, if the standard's environment variables ask for it,
// and sends them by OTLP over HTTP. Without them it is off: New returns nil,
// and a nil *Tracer does nothing.
//
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"osp/go/observe"
)

const (
	serviceName  = "object-storage-proxy"
	shutdownTime = 2 * time.Second // for the last spans
	complainEach = time.Minute
)

// Tracer makes the spans of one server.
type Tracer struct {
	provider   *sdk.TracerProvider
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
}

// New returns a Tracer if the environment asks for one, otherwise nil. What it
// asks for but can't have is logged; requests are served all the same.
func New(version string, log *slog.Logger) *Tracer {
	if !wanted(os.Getenv, log) {
		return nil
	}
	ctx := context.Background()
	exporter, err := otlptracehttp.New(ctx) // it connects when there are spans, not now
	if err != nil {
		log.Error("tracing is off: the exporter can't be created", "error", err)
		return nil
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", serviceName), attribute.String("service.version", version)),
		resource.WithTelemetrySDK(),
		resource.WithFromEnv(), // the last one wins
	)
	if err != nil {
		log.Warn("OTEL_RESOURCE_ATTRIBUTES is only partly usable", "error", err)
	}
	otel.SetLogger(logr.FromSlogHandler(log.Handler()))
	otel.SetErrorHandler(complaints(log))
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about))
	return &Tracer{provider: provider, tracer: provider.Tracer("object_storage_proxy", trace.WithInstrumentationVersion(version)), propagator: propagation.TraceContext{}}
}

// wanted reads the variables that turn tracing on. The standard's default for
// the exporter is otlp; here nothing is sent unless an exporter or an endpoint
// is named.
func wanted(getenv func(string) string, log *slog.Logger) bool {
	if strings.EqualFold(strings.TrimSpace(getenv("OTEL_SDK_DISABLED")), "true") {
		return false
	}
	switch exporter := strings.TrimSpace(getenv("OTEL_TRACES_EXPORTER")); exporter {
	case "otlp":
	case "":
		if getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
			return false
		}
	case "none":
		return false
	default:
		log.Warn("tracing is off: OTEL_TRACES_EXPORTER must be otlp or none", "value", exporter)
		return false
	}
	protocol := getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
	if protocol == "" {
		protocol = getenv("OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	if protocol != "" && protocol != "http/protobuf" {
		log.Warn("tracing is off: OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf", "value", protocol)
		return false
	}
	return true
}

// complaints logs errors inside the SDK, now and then: with a collector that is
// down, every batch is an error.
func complaints(log *slog.Logger) otel.ErrorHandlerFunc {
	var last atomic.Int64
	return func(err error) {
		now, before := time.Now().UnixNano(), last.Load()
		if now-before >= int64(complainEach) && last.CompareAndSwap(before, now) {
			log.Warn("tracing", "error", err)
		}
	}
}

// Close sends the remaining spans, within a time limit.
func (t *Tracer) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		otel.Handle(fmt.Errorf("the last spans: %w", err))
	}
}

// Begin starts the span of a request, whose parent is the one that its
// traceparent names, and returns the context to serve it with.
func (t *Tracer) Begin(r *http.Request, begun time.Time) context.Context {
	ctx := t.propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, _ = t.tracer.Start(ctx, "S3", trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(begun))
	return ctx
}

// Ended ends the span of a request, which its context contains. The names are
// those of the semantic conventions
// (https://opentelemetry.io/docs/specs/semconv/http/http-spans/ and
// object-stores/s3/). There is no query among them: it may be a presigned one.
func (t *Tracer) Ended(x *observe.Exchange) {
	span := trace.SpanFromContext(x.Ctx)
	if !span.IsRecording() {
		return
	}
	name := x.Operation
	if name == "" {
		name = x.Method
	}
	span.SetName(name)
	span.SetAttributes(
		text("http.request.method", x.Method),
		text("url.scheme", x.Scheme),
		text("url.path", x.Path),
		attribute.Int("http.response.status_code", x.Status),
		attribute.Int64("http.request.body.size", x.BytesIn),
		attribute.Int64("http.response.body.size", x.BytesOut),
		text("client.address", x.Client),
		text("user_agent.original", x.UserAgent),
		text("rpc.method", x.Operation),
		text("aws.s3.bucket", x.Bucket),
		text("aws.s3.key", x.Key),
		text("aws.request_id", x.RequestID),
	)
	if x.Code != "" {
		span.SetAttributes(attribute.String("error.type", x.Code))
	}
	if x.Status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, x.Code)
	}
	span.End(trace.WithTimestamp(x.Begun.Add(x.Total)))
}

// text is an attribute of any bytes: one that is not UTF-8 would make the
// exporter lose all spans that it sends together.
func text(name, value string) attribute.KeyValue {
	return attribute.String(name, strings.ToValidUTF8(value, "\ufffd"))
}

// CallbackEnded makes the span of a question to a callback, unless no request has asked it.
func (t *Tracer) CallbackEnded(c observe.Callback) {
	if !trace.SpanContextFromContext(c.Ctx).IsValid() {
		return
	}
	_, span := t.tracer.Start(c.Ctx, c.Name, trace.WithTimestamp(c.Begun))
	span.SetAttributes(attribute.String("osp.callback.outcome", c.Outcome))
	if c.Outcome == observe.Failed || c.Outcome == observe.Overloaded {
		span.SetStatus(codes.Error, c.Outcome)
	}
	span.End(trace.WithTimestamp(c.Begun.Add(c.Took)))
}

// Upstream starts the span of a request to a store and puts it into the header
// that the store gets. A participant of a trace names itself as the parent of
// the next one
// (https://www.w3.org/TR/trace-context/#mutating-the-traceparent-field), even
// if the client signed the field, because its signature ends here.
func (t *Tracer) Upstream(ctx context.Context, method, host string, port int, header http.Header) (context.Context, func(status int, err error)) {
	ctx, span := t.tracer.Start(ctx, method, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("http.request.method", method),
		attribute.String("server.address", host),
		attribute.Int("server.port", port),
	))
	// What the client sent is about another parent, or was not valid.
	header.Del("Traceparent")
	header.Del("Tracestate")
	t.propagator.Inject(ctx, propagation.HeaderCarrier(header))
	return ctx, func(status int, err error) {
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		} else {
			span.SetAttributes(attribute.Int("http.response.status_code", status))
			if status >= http.StatusBadRequest {
				span.SetStatus(codes.Error, "")
			}
		}
		span.End()
	}
}
