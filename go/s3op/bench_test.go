package s3op

import (
	"net/http"
	"testing"
)

func BenchmarkParse(b *testing.B) {
	header := http.Header{
		"Authorization": {"AWS4-HMAC-SHA256 ..."}, "X-Amz-Date": {"20260301T120000Z"}, "X-Amz-Content-Sha256": {"UNSIGNED-PAYLOAD"},
		"User-Agent": {"Boto3/1.40"}, "Accept-Encoding": {"identity"}, "Amz-Sdk-Invocation-Id": {"1"}, "Amz-Sdk-Request": {"attempt=1"},
	}
	for name, target := range map[string]string{
		"plain key":  "/photos/2026/03/01/0001.jpg",
		"escaped":    "/photos/2026/a%20b%2Bc.jpg",
		"with query": "/photos/k?partNumber=7&uploadId=abc&x-id=UploadPart",
	} {
		method := http.MethodGet
		if name == "with query" {
			method = http.MethodPut
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(method, target, "", header); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
