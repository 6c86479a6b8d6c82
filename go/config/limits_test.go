package config

import (
	"reflect"
	"slices"
	"testing"

	"osp/go/config/configtest"
	"osp/go/limits"
	"osp/go/s3op"
)

func TestLimitsAreReadAsTheyStand(t *testing.T) {
	c, err := Parse([]byte(with("callbacks", `["validator"]`, "limits", `{
		"token": {"requests": 2.5, "write": {"requests": 1, "burst": 7}}, "all": {"bytes_in": 2048, "bytes_out": 4096},
		"entry": {"concurrent": 3}, "token_and_bucket": {"largest_object": 5}, "anonymous": {"requests_per_day": 6}, "address": {"bytes_per_day": 9},
		"classes": {"bulk": {"requests": 1}}}`)))
	if err != nil {
		t.Fatal(err)
	}
	token := &limits.Rule{Measures: limits.Measures{Requests: limits.NewRate(2.5, 3)}}
	token.Of[s3op.Write].Requests = limits.NewRate(1, 7)
	rule := func(m limits.Measures) *limits.Rule { return &limits.Rule{Measures: m} }
	want := &limits.Rules{
		Token: token, All: rule(limits.Measures{In: limits.NewRate(2048, 1), Out: limits.NewRate(4096, 1)}),
		Entry: rule(limits.Measures{Concurrent: 3}), TokenAndBucket: rule(limits.Measures{Largest: 5}),
		Anonymous: rule(limits.Measures{DayRequests: 6}), Address: rule(limits.Measures{DayBytes: 9}),
		Classes: map[string]*limits.Rule{"bulk": rule(limits.Measures{Requests: limits.NewRate(1, 1)})},
	}
	if got := c.Stores.Limits; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestMistakesInLimitsHaveTheirPlaces(t *testing.T) {
	for limits, want := range map[string][]string{
		`{"token": {"requests": "many", "burst": 0}}`: {
			"limits.token.burst: must be between 1 and 1000000, got 0", "limits.token.requests: must be a number, got a string"},
		`{"classes": {"a b": {}}}`: {
			"limits.classes: needs a validator, which chooses one of them",
			`limits.classes."a b": the name of a class must have up to 64 letters, digits, dots, hyphens and underscores`},
		`{"address": {"list": {"bytes_out": 1, "burst": 2}}}`: {
			"limits.address.list.burst: needs requests, of which it says how many may come at once",
			"limits.address.list.bytes_out: must be between 1024 and 1099511627776, got 1"},
	} {
		if got := mistakesOf(t, with("limits", limits)); !slices.Equal(got, want) {
			t.Errorf("%s: got %q", limits, got)
		}
	}
}

func TestNoRulesAreNoLimits(t *testing.T) {
	c, err := Parse([]byte(with("limits", `{}`)))
	if err != nil || c.Stores.Limits != nil {
		t.Errorf("%+v, %v", c.Stores.Limits, err)
	}
}

// What is remembered for an entry, and its connections, outlive an update with the same limits.
func TestAnEntryWithTheSameLimitsStaysTheSame(t *testing.T) {
	read := func(requests int) *Config {
		entry := map[string]any{"host": "h", "port": 1, "limits": map[string]any{"all": map[string]any{"requests": requests}}}
		c, err := Parse(configtest.Document(map[string]any{"cos_map": map[string]any{"bkt": entry}}))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	before, same, other := read(1), read(1), read(2)
	same.Stores.Buckets.Keep(before.Stores.Buckets)
	other.Stores.Buckets.Keep(before.Stores.Buckets)
	entry := before.Stores.Buckets.Find("bkt")
	if same.Stores.Buckets.Find("bkt") != entry || other.Stores.Buckets.Find("bkt") == entry {
		t.Error("it does not")
	}
	if all := entry.Limits.All; all.Requests != limits.NewRate(1, 1) {
		t.Errorf("%+v", all)
	}
}
