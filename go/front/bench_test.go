package front

import (
	"net/http"
	"testing"
)

func BenchmarkCheck(b *testing.B) {
	r := &http.Request{Host: "proxy.example", Header: http.Header{
		"Authorization": {"AWS4-HMAC-SHA256 ..."}, "X-Amz-Date": {"20260301T120000Z"}, "X-Amz-Content-Sha256": {"UNSIGNED-PAYLOAD"},
		"User-Agent": {"Boto3/1.40"}, "Accept-Encoding": {"identity"},
	}}
	b.ReportAllocs()
	for b.Loop() {
		if err := Check(r); err != nil {
			b.Fatal(err)
		}
	}
}
