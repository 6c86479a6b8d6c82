package metrics

import (
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"osp/go/cache"
	"osp/go/observe"
)

func source() Source {
	return Source{
		Version:     "1.2.3",
		InFlight:    func() int64 { return 3 },
		Connections: func() int64 { return 7 },
		Caches: map[string]func() cache.Stats{
			"decisions": func() cache.Stats { return cache.Stats{Hits: 5, Misses: 2, Entries: 4} },
		},
		LogDrops: map[string]func() uint64{"access": func() uint64 { return 11 }},
		Stores: func() []Store {
			return []Store{{Name: "a:443", Up: true, CertificateExpires: time.Unix(2e9, 0)}, {Name: "b:80"}}
		},
	}
}

func scrape(t testing.TB, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	text, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != 200 {
		t.Fatalf("%d %v %s", w.Code, err, text)
	}
	return string(text)
}

func expect(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestARequestIsCountedUnderAllItsLabels(t *testing.T) {
	m := New(source())
	m.SetBuckets([]string{"photos", "team-*"})
	m.Ended(&observe.Exchange{
		Method: "PUT", Bucket: "team-a", Entry: "team-*", Status: 200, BytesIn: 1000, BytesOut: 10,
		Total: 3 * time.Millisecond, Asked: true, Upstream: 2 * time.Millisecond, Presigned: true,
	})
	m.Ended(&observe.Exchange{
		Method: "GET", Bucket: "photos", Entry: "photos", Status: 403, Code: "SignatureDoesNotMatch", BadSignature: true, BytesOut: 300,
	})
	m.Ended(&observe.Exchange{Method: "GET", Entry: "photos", Status: 403, Code: "AccessDenied", Presigned: true, UsedUp: true})
	m.Ended(&observe.Exchange{Method: "GET", Entry: "photos", Status: 502, Code: "BadGateway", Asked: true, StoreError: "BadGateway"})
	for source, outcome := range map[string]string{"team-*": observe.Copied, "gone": observe.Failed} {
		m.Ended(&observe.Exchange{Method: "PUT", Entry: "photos", Status: 200, SourceEntry: source, CopyOutcome: outcome, BytesCopied: 70})
	}
	m.Ended(&observe.Exchange{Method: "POST", Status: 200, Action: "AssumeRole"})
	m.Ended(&observe.Exchange{Method: "POST", Status: 400, Action: "AssumeRole", Code: "ValidationError"})
	m.CallbackEnded(observe.Callback{Name: "validator", Outcome: observe.Refused, Took: 20 * time.Millisecond})
	m.ShadowCompared("would_refuse")
	m.GrantExchanged("granted")
	expect(t, scrape(t, m),
		`osp_requests_total{bucket="team-*",method="PUT",status="200"} 1`,
		`osp_copies_total{bucket="photos",outcome="copied",source="team-*"} 1`,
		`osp_copied_bytes_total{bucket="photos",source="team-*"} 70`,
		`osp_copies_total{bucket="photos",outcome="failed",source=""} 1`,
		`osp_transfer_bytes_total{bucket="team-*",direction="in"} 1000`,
		`osp_transfer_bytes_total{bucket="team-*",direction="out"} 10`,
		`osp_presigned_url_hits_total{bucket="team-*"} 1`,
		`osp_presigned_url_hits_total{bucket="photos"} 1`,
		`osp_presigned_url_rejected_total{bucket="photos"} 1`,
		`osp_request_duration_seconds_bucket{bucket="team-*",method="PUT",le="0.0025"} 0`,
		`osp_request_duration_seconds_bucket{bucket="team-*",method="PUT",le="0.005"} 1`,
		`osp_request_duration_seconds_sum{bucket="team-*",method="PUT"} 0.003`,
		`osp_response_size_bytes_bucket{bucket="photos",method="GET",le="256"} 2`,
		`osp_response_size_bytes_bucket{bucket="photos",method="GET",le="1024"} 3`,
		`osp_requests_total{bucket="photos",method="GET",status="403"} 2`,
		`osp_request_errors_total{bucket="photos",error="SignatureDoesNotMatch",method="GET"} 1`,
		`osp_refusals_total{code="AccessDenied"} 1`,
		`osp_signature_refusals_total{code="SignatureDoesNotMatch"} 1`,
		`osp_upstream_duration_seconds_count{bucket="team-*"} 1`,
		`osp_upstream_errors_total{bucket="photos",error="BadGateway"} 1`,
		`osp_callbacks_total{callback="validator",outcome="refused"} 1`,
		`osp_callback_duration_seconds_sum{callback="validator"} 0.02`,
		`osp_token_renewals_total{outcome="granted"} 1`,
		`osp_sts_requests_total{action="AssumeRole",result="ok"} 1`,
		`osp_sts_requests_total{action="AssumeRole",result="ValidationError"} 1`,
		`osp_shadow_decisions_total{outcome="would_refuse"} 1`,
		`osp_active_connections 7`, `osp_requests_in_flight 3`,
		`osp_cache_requests_total{cache="decisions",result="hit"} 5`,
		`osp_cache_requests_total{cache="decisions",result="miss"} 2`,
		`osp_cache_entries{cache="decisions"} 4`,
		`osp_log_lines_dropped_total{log="access"} 11`,
		`osp_store_up{store="a:443"} 1`, `osp_store_up{store="b:80"} 0`,
		`osp_store_certificate_expiry_timestamp_seconds{store="a:443"} 2e+09`,
	)
	if text := scrape(t, m); strings.Contains(text, `signature_refusals_total{code="AccessDenied"}`) || !strings.Contains(text, `version="1.2.3"`) ||
		!strings.Contains(text, "osp_memory_bytes ") || !strings.Contains(text, "go_goroutines ") {
		t.Error(text)
	}
}

func TestWhatClientsMakeUpIsNoLabel(t *testing.T) {
	m := New(source())
	m.SetBuckets([]string{"photos"})
	for i := range 1000 {
		made := fmt.Sprintf("made-up-%d", i)
		m.Ended(&observe.Exchange{Method: made, Bucket: made, Key: made, AccessKey: made, Operation: made, Status: 404, Code: "NoSuchBucket"})
		m.Ended(&observe.Exchange{Method: "GET", Bucket: made, Entry: made, Status: 1000 + i}) // left the configuration, and no status
	}
	text := scrape(t, m)
	if strings.Contains(text, "made-up") {
		t.Error("a client's text became a label")
	}
	expect(t, text,
		`osp_requests_total{bucket="",method="other",status="404"} 1000`,
		`osp_requests_total{bucket="",method="GET",status="other"} 1000`,
	)
}

func TestABucketThatLeftTheConfigurationTakesItsSeriesAlong(t *testing.T) {
	m := New(source())
	m.SetBuckets([]string{"old", "kept"})
	for _, entry := range []string{"old", "kept"} {
		m.Ended(&observe.Exchange{Method: "GET", Entry: entry, Status: 200, Asked: true, BytesOut: 1})
	}
	m.SetBuckets([]string{"kept", "new"})
	m.Ended(&observe.Exchange{Method: "GET", Entry: "kept", Status: 200})
	text := scrape(t, m)
	if strings.Contains(text, `"old"`) {
		t.Error("its series are still there")
	}
	expect(t, text, `osp_requests_total{bucket="kept",method="GET",status="200"} 2`)
}

func TestManyAtATimeLoseNothing(t *testing.T) {
	m := New(source())
	m.SetBuckets([]string{"b"})
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 1000 {
				m.Ended(&observe.Exchange{Method: "GET", Entry: "b", Status: 200 + (i+g)%20, BytesOut: 1})
			}
		})
	}
	all.Wait()
	expect(t, scrape(t, m),
		`osp_requests_total{bucket="b",method="GET",status="200"} 400`,
		`osp_request_duration_seconds_count{bucket="b",method="GET"} 8000`,
		`osp_transfer_bytes_total{bucket="b",direction="out"} 8000`,
	)
}

var warm = observe.Exchange{
	Method: "GET", Bucket: "photos", Entry: "photos", Status: 200, BytesIn: 1, BytesOut: 4096, Presigned: true,
	Asked: true, Upstream: time.Millisecond, Total: 2 * time.Millisecond,
}

func TestAWarmRequestAllocatesNothing(t *testing.T) {
	m := New(source())
	m.SetBuckets([]string{"photos"})
	if n := testing.AllocsPerRun(100, func() { m.Ended(&warm) }); n != 0 {
		t.Errorf("%v allocations for a request", n)
	}
}

func BenchmarkEnded(b *testing.B) {
	m := New(source())
	m.SetBuckets([]string{"photos"})
	b.ReportAllocs()
	for b.Loop() {
		m.Ended(&warm)
	}
}

func BenchmarkEndedInParallel(b *testing.B) {
	m := New(source())
	m.SetBuckets([]string{"photos"})
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			m.Ended(&warm)
		}
	})
}
