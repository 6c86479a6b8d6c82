package front

import (
	"net/http"
	"testing"
)

const head = "GET /photos/2026/03/01/0001.jpg HTTP/1.1\r\nHost: proxy.example\r\nUser-Agent: Boto3/1.40 md/Botocore ua/2.1\r\n" +
	"Authorization: AWS4-HMAC-SHA256 Credential=AKID/20260301/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, " +
	"Signature=0000000000000000000000000000000000000000000000000000000000000000\r\n" +
	"X-Amz-Date: 20260301T120000Z\r\nX-Amz-Content-Sha256: UNSIGNED-PAYLOAD\r\nAccept-Encoding: identity\r\n\r\n"

// BenchmarkFraming watches the head of a GET.
func BenchmarkFraming(b *testing.B) {
	var f framing
	bytes := []byte(head)
	b.SetBytes(int64(len(bytes)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.feed(bytes); err != nil {
			b.Fatal(err)
		}
	}
}

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
