package upstream

import (
	"net/http"
	"testing"

	"osp/go/stores"
)

// BenchmarkSign makes the request for a warm GET and signs it.
func BenchmarkSign(b *testing.B) {
	c := New()
	call := &Call{
		Bucket: &stores.Bucket{Remote: "photos", Host: "127.0.0.1", Port: 9000, Region: "eu-west-1"}, Creds: pair,
		Method: http.MethodGet, Key: "2026/03/01/0001.jpg", PayloadHash: UnsignedPayload,
		Header: http.Header{"User-Agent": {"Boto3/1.40"}, "Accept-Encoding": {"identity"}},
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := c.authorize(newRequest(b.Context(), call, c.regions.of(call.Bucket)), call, call.Bucket.Region); err != nil {
			b.Fatal(err)
		}
	}
}
