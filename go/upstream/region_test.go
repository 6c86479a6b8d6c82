package upstream

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"osp/go/s3err"
	"osp/go/stores"
)

// elsewhere answers like AWS to whoever signs for a region that the bucket is not in.
func elsewhere(region string, answer func(w http.ResponseWriter, r *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Authorization"), "/"+region+"/s3/") {
			answer(w, r)
		}
	}
}

func TestABucketInAnotherRegionIsFoundAndRemembered(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"301": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amz-Bucket-Region", "eu-north-1")
			w.WriteHeader(http.StatusMovedPermanently)
			_, _ = io.WriteString(w, "<Error><Code>PermanentRedirect</Code><Endpoint>evil.example</Endpoint></Error>")
		},
		"307": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amz-Bucket-Region", "eu-north-1")
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(http.StatusTemporaryRedirect)
		},
		"400 of a HEAD": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amz-Bucket-Region", "eu-north-1")
			w.WriteHeader(http.StatusBadRequest)
		},
		"400": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-north-1</Region></Error>")
		},
	} {
		s := newStore(t, httptest.NewServer)
		s.answer = elsewhere("eu-north-1", answer)
		client, b := New(), s.bucket(nil)
		for n, want := range []int{2, 3} {
			call := &Call{Method: "PUT", Bucket: b, Creds: pair, Header: http.Header{}, PayloadHash: UnsignedPayload, Whole: []byte("body")}
			resp, err := client.Do(t.Context(), call)
			if err != nil || resp.StatusCode != 200 || s.count() != want || string(s.last().body) != "body" {
				t.Fatalf("%s, call %d: %v, %v after %d requests", name, n, resp, err, s.count())
			}
			_ = resp.Body.Close()
		}
		client.Close()
	}
}

func TestABodyThatIsGoneIsTheClientsToSendAgain(t *testing.T) {
	s := newStore(t, httptest.NewServer)
	s.answer = elsewhere("eu-north-1", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amz-Bucket-Region", "eu-north-1")
		w.WriteHeader(http.StatusMovedPermanently)
	})
	client, b := New(), s.bucket(nil)
	defer client.Close()
	call := &Call{Method: "PUT", Bucket: b, Creds: pair, Header: http.Header{}, PayloadHash: UnsignedPayload, Body: strings.NewReader("body"), Length: 4}
	if _, err := client.Do(t.Context(), call); !errors.Is(err, s3err.ServiceUnavailable) {
		t.Errorf("got %v", err)
	}
	call.Body = strings.NewReader("body")
	if resp, err := client.Do(t.Context(), call); err != nil || resp.StatusCode != 200 {
		t.Errorf("the next attempt: %v, %v", resp, err)
	}
}

func TestWhatIsNoNewsAboutTheRegionIsAnAnswer(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"the same region": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amz-Bucket-Region", "eu-west-1")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, "<Error><Code>InvalidArgument</Code></Error>")
		},
		"no region at all": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, "<Error><Code>InvalidArgument</Code><Region>eu-north-1</Region></Error>")
		},
		"no name of a region": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amz-Bucket-Region", "evil.example/x")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, "<Error><Code>InvalidArgument</Code></Error>")
		},
	} {
		s := newStore(t, httptest.NewServer)
		s.answer = answer
		resp, err := send(t, &Call{Bucket: s.bucket(nil)})
		if err != nil || resp.StatusCode != 400 || s.count() != 1 {
			t.Fatalf("%s: %v, %v after %d requests", name, resp, err, s.count())
		}
		if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), "InvalidArgument") {
			t.Errorf("%s: the answer is not whole: %s", name, body)
		}
	}
}

func TestHostsOfRegions(t *testing.T) {
	for host, want := range map[string]string{
		"s3.amazonaws.com":                              "s3.eu-north-1.amazonaws.com",
		"s3.us-east-1.amazonaws.com":                    "s3.eu-north-1.amazonaws.com",
		"s3.dualstack.us-east-1.amazonaws.com":          "s3.dualstack.eu-north-1.amazonaws.com",
		"s3-us-east-1.amazonaws.com":                    "s3-eu-north-1.amazonaws.com",
		"s3.us-east-1.amazonaws.com.cn":                 "s3.eu-north-1.amazonaws.com.cn",
		"s3.us-east-1.amazonaws.com.evil.example":       "s3.us-east-1.amazonaws.com.evil.example",
		"s3-accelerate.amazonaws.com":                   "s3-accelerate.amazonaws.com",
		"vpce-1.s3.us-east-1.vpce.amazonaws.com":        "vpce-1.s3.us-east-1.vpce.amazonaws.com",
		"minio.example":                                 "minio.example",
		"s3.eu-de.cloud-object-storage.appdomain.cloud": "s3.eu-de.cloud-object-storage.appdomain.cloud",
	} {
		if got := hostIn(host, "us-east-1", "eu-north-1"); got != want {
			t.Errorf("%s: got %s, want %s", host, got, want)
		}
	}
	b := &stores.Bucket{Host: "s3.amazonaws.com", Region: "us-east-1", Remote: "r"}
	r := newRegions()
	r.known.Add(remoteBucket{b, "r"}, "eu-north-1")
	if got := r.of(b); got.host != "s3.eu-north-1.amazonaws.com" || got.region != "eu-north-1" {
		t.Errorf("got %+v", got)
	}
}
