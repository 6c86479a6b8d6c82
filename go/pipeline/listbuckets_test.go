package pipeline

import (
	"context"
	"encoding/xml"
	"strings"
	"testing"

	"osp/go/callbacks"
)

func TestListBucketsTakesAWSsParameters(t *testing.T) {
	r := entries(t, callbacks.Set{}, nil, map[string]settings{"a-one": {"region": "eu-west-1"}, "a-two": {}, "b-one": {"region": "eu-west-1"}, "b-two": {"region": "eu-west-1"}})
	for query, want := range map[string]string{
		"":                                       "a-one a-two b-one b-two ",
		"?bucket-region=eu-west-1":               "a-one b-one b-two ",
		"?bucket-region=nowhere":                 "",
		"?prefix=b":                              "b-one b-two ",
		"?max-buckets=1&bucket-region=eu-west-1": "a-one +a-one",
		"?max-buckets=1&continuation-token=a-one":     "a-two +a-two",
		"?prefix=b&bucket-region=eu-west-1&x-id=List": "b-one b-two ",
	} {
		a := r.Do(r.Signed("GET", "/"+query, ""))
		got := ""
		for _, part := range strings.Split(string(a.Content), "<Name>")[1:] {
			name, _, _ := strings.Cut(part, "<")
			got += name + " "
		}
		if _, after, more := strings.Cut(string(a.Content), "<ContinuationToken>"); more {
			token, _, _ := strings.Cut(after, "<")
			got += "+" + token
		}
		if a.StatusCode != 200 || got != want {
			t.Errorf("%s: %d, %q, want %q", query, a.StatusCode, got, want)
		}
	}
}

func TestListBucketsShowsWhatTheCallerMayList(t *testing.T) {
	h := callbacks.Set{Validator: func(_ context.Context, r *callbacks.Request) (callbacks.Decision, error) {
		return callbacks.Decision{Allow: r.Bucket == "photos"}, nil
	}}
	r := start(t, h, nil)
	a := r.Do(r.Signed("GET", "/", ""))
	var list struct {
		Buckets []struct{ Name string } `xml:"Buckets>Bucket"`
	}
	if err := xml.Unmarshal(a.Content, &list); err != nil || len(list.Buckets) != 1 || list.Buckets[0].Name != "photos" {
		t.Errorf("got %d %s", a.StatusCode, a.Content)
	}
	r.Refuses(r.Request("GET", "/", ""), 403, "AccessDenied")
}
