// Package use is what the Go clients of the tests have in common, as
// tests/clients/common.py is for those in Python: an endpoint, keys and a
// bucket by the environment, and what is put there.
package use

import (
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"strings"
)

// What the tests give every client.
var (
	Endpoint = os.Getenv("S3_ENDPOINT")
	Access   = os.Getenv("S3_ACCESS")
	Secret   = os.Getenv("S3_SECRET")
	Bucket   = os.Getenv("S3_BUCKET")
	Virtual  = os.Getenv("S3_ADDRESSING") == "virtual"
)

// Region is what the client signs for.
const Region = "us-east-1"

// OddName is a key whose bytes a client has to encode with care.
const OddName = "a b/ü+&=%41.txt"

// Small is a short object.
var Small = []byte("hello \u00fc\n")

// Large returns two parts of 5 MiB and a bit; no two blocks are alike.
func Large() []byte {
	body := make([]byte, 11_000_000)
	_, _ = rand.New(rand.NewSource(1)).Read(body) // it never fails
	return body
}

// Host returns the endpoint without its scheme, and whether that is https.
func Host() (host string, tls bool) {
	u, err := url.Parse(Endpoint)
	Check(err, "the endpoint")
	return u.Host, u.Scheme == "https"
}

// Check ends the program when a step failed.
func Check(err error, step string) {
	if err != nil {
		fail("%s: %v", step, err)
	}
}

// Same ends the program when a step brought something else than it should.
func Same[T comparable](got, want T, step string) {
	if got != want {
		fail("%s: got %v, want %v", step, got, want)
	}
}

// SameBytes is Same for the content of objects.
func SameBytes(got, want []byte, step string) {
	if !bytes.Equal(got, want) {
		fail("%s: got %d bytes, want %d, and they differ", step, len(got), len(want))
	}
}

// Fetch sends a request that needs no client, as whoever gets a presigned URL does.
func Fetch(method, to string, header http.Header, body []byte) []byte {
	request, err := http.NewRequest(method, to, bytes.NewReader(body))
	Check(err, to)
	for name, values := range header {
		request.Header[name] = values
	}
	answer, err := http.DefaultClient.Do(request)
	Check(err, to)
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	Check(err, to)
	Same(answer.StatusCode, http.StatusOK, to)
	return got
}

// Passed prints the last line of a client that did all it was asked to: the
// version of the module that it is about.
func Passed(module string) {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			fmt.Println("passed", strings.TrimPrefix(dependency.Version, "v"))
			return
		}
	}
	fail("%s is not what this was built with", module)
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}
