package stores

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"osp/go/secret"
)

// entries are made of names and hosts, one after the other.
func entries(namesAndHosts ...string) Buckets {
	var all []*Bucket
	for pair := range slices.Chunk(namesAndHosts, 2) {
		all = append(all, &Bucket{Name: pair[0], Remote: pair[0], Host: pair[1]})
	}
	slices.SortFunc(all, func(a, b *Bucket) int { return strings.Compare(a.Name, b.Name) })
	return NewBuckets(all)
}

func TestTheExactEntryComesFirstThenTheLongestPattern(t *testing.T) {
	b := entries("*", "all.example", "team-*", "team.example", "*-logs", "logs.example", "team-one", "one.example")
	for name, want := range map[string]string{
		"team-one": "one.example", "team-two": "team.example", "team-": "team.example", "sales": "all.example",
		"sales-logs": "logs.example", "team-logs": "logs.example", // of two that are as long, the first by name
		"te": "", "a/b": "", "a..b": "", ".ab": "", "ab.": "", "bücket": "", "a b": "", "a@b": "", "a:80": "", "": "", strings.Repeat("a", 64): "",
	} {
		found := b.Find(name)
		switch {
		case found == nil:
			if want != "" {
				t.Errorf("%q: nothing found", name)
			}
		case found.Name != name || found.Remote != name:
			t.Errorf("%q became %+v", name, found)
		case found.Host != want:
			t.Errorf("%q: found %q", name, found.Host)
		}
	}
	if one := b.Find("team-one"); one.Entry() != one {
		t.Errorf("got %+v", one)
	}
	two, three := b.Find("team-two"), b.Find("team-three")
	if two.Renamed() || two.Entry() != three.Entry() || two.Entry() == two || two.Entry().Name != "team-*" {
		t.Errorf("got %+v and %+v", two, three)
	}
	if got := b.Names(); !slices.Equal(got, []string{"team-one"}) {
		t.Errorf("names: %v", got)
	}
	var all []string
	for _, entry := range b.Entries() {
		all = append(all, entry.Name)
	}
	if !slices.Equal(all, []string{"*", "*-logs", "team-*", "team-one"}) {
		t.Errorf("entries: %v", all)
	}
}

func TestAnotherNameOrAFolderRenamesABucket(t *testing.T) {
	for want, b := range map[bool][]Bucket{
		false: {{Name: "data", Remote: "data"}},
		true:  {{Name: "data", Remote: "lake"}, {Name: "data", Remote: "data", Prefix: "team/"}},
	} {
		for _, b := range b {
			if b.Renamed() != want {
				t.Errorf("%+v: renamed is %v", b, !want)
			}
		}
	}
}

// The command line has the same rule in Python; the vectors hold the two together.
func TestNamesFindTheirEntryAsTheVectorsSay(t *testing.T) {
	raw, err := os.ReadFile("../../tests/vectors/buckets.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Entries []string
		Finds   map[string]*string
	}
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, name := range vectors.Entries {
		all = append(all, name, "h")
	}
	b := entries(all...)
	for name, want := range vectors.Finds {
		found := b.Find(name)
		if (found == nil) != (want == nil) || found != nil && found.Entry().Name != *want {
			t.Errorf("%q finds %+v", name, found)
		}
	}
	if len(vectors.Finds) == 0 {
		t.Error("there are no vectors")
	}
}

func TestNamesOfAStoresOwnAreNoBucketsUnderAPattern(t *testing.T) {
	b := entries("*", "h", "swift", "exact")
	for _, name := range []string{"minio", "MinIO", ".minio.sys", "admin", "auth", "AUTH", ".sgwtmp", "health", "metrics"} {
		if found := b.Find(name); found != nil {
			t.Errorf("%s is a bucket of %s", name, found.Host)
		}
	}
	if found := b.Find("swift"); found == nil || found.Host != "exact" {
		t.Errorf("an entry of that very name: %+v", found)
	}
}

func TestEntriesThatAreTheSameAreKept(t *testing.T) {
	made := func(secretKey string, more ...*Bucket) Buckets {
		return NewBuckets(append([]*Bucket{
			{Name: "changed", SecretKey: secret.New(secretKey)}, {Name: "s*", Host: "h"}, {Name: "same", SecretKey: secret.New("s")},
		}, more...))
	}
	before, after := made("old"), made("new", &Bucket{Name: "added"})
	after.Keep(before)
	for name, kept := range map[string]bool{"same": true, "some": true, "changed": false} {
		if (before.Find(name).Entry() == after.Find(name).Entry()) != kept {
			t.Errorf("%s: kept is not %v", name, kept)
		}
	}
	if after.Find("changed").SecretKey.Reveal() != "new" || after.Find("added") == nil {
		t.Error("what changed was not taken")
	}
}
