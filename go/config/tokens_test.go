package config

import (
	"encoding/json"
	"maps"
	"testing"
)

// sealedBy returns what an entry of this name and these settings seals a text to.
func sealedBy(t *testing.T, name string, changes map[string]any) string {
	t.Helper()
	entry := map[string]any{"host": "store.example", "port": 443, "access_key": "a", "secret_key": "s", "prefix": "team"}
	maps.Copy(entry, changes)
	raw, err := json.Marshal(map[string]any{"http_port": 0, "cos_map": map[string]any{name: entry, "other": map[string]any{"host": "h", "port": 1}}})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := cfg.Stores.Buckets.Find("data").Tokens.Seal("kind", "text")
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestEqualEntriesSealAlikeAndOthersDoNot(t *testing.T) {
	first := sealedBy(t, "data", nil)
	for name, changes := range map[string]map[string]any{
		"itself": {}, "with other rights": {"read_only": true}, "with another ttl": {"ttl": 1}, "a folder with its slash": {"prefix": "team/"},
	} {
		if sealedBy(t, "data", changes) != first {
			t.Errorf("%s: another seal", name)
		}
	}
	for name, changes := range map[string]map[string]any{
		"another secret": {"secret_key": "t"}, "an API key": {"api_key": "k"}, "another host": {"host": "other.example"},
		"another port": {"port": 444}, "another bucket": {"bucket": "lake"}, "another folder": {"prefix": "team-b"},
	} {
		if sealedBy(t, "data", changes) == first {
			t.Errorf("%s: the same seal", name)
		}
	}
	if sealedBy(t, "data*", nil) == first {
		t.Error("a pattern: the same seal")
	}
}

func TestAnEntryWithoutAFolderSealsNothing(t *testing.T) {
	cfg, err := Parse([]byte(`{"http_port": 0, "cos_map": {"data": {"host": "h", "port": 1, "bucket": "lake", "access_key": "a", "secret_key": "s"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if sealed, err := cfg.Stores.Buckets.Find("data").Tokens.Seal("kind", "text"); err == nil {
		t.Errorf("got %q", sealed)
	}
}
