package stores

import (
	"testing"
	"time"

	"osp/go/secret"
)

// sealed returns what an entry, after some changes, seals a text to.
func sealed(t *testing.T, change func(*Bucket)) string {
	t.Helper()
	b := Bucket{Name: "data", Remote: "data", Prefix: "team/", Host: "store.example", Port: 443, AccessKey: "a", SecretKey: secret.New("s")}
	change(&b)
	text, err := b.TokenKey().Seal("kind", "text")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestEqualEntriesSealAlikeAndOthersDoNot(t *testing.T) {
	first := sealed(t, func(*Bucket) {})
	for name, change := range map[string]func(*Bucket){
		"itself": func(*Bucket) {}, "with other rights": func(b *Bucket) { b.ReadOnly = true }, "with another ttl": func(b *Bucket) { b.TTL = time.Second },
	} {
		if sealed(t, change) != first {
			t.Errorf("%s: another seal", name)
		}
	}
	for name, change := range map[string]func(*Bucket){
		"another secret": func(b *Bucket) { b.SecretKey = secret.New("t") }, "an API key": func(b *Bucket) { b.APIKey = secret.New("k") },
		"another host": func(b *Bucket) { b.Host = "other.example" }, "another port": func(b *Bucket) { b.Port = 444 },
		"another bucket": func(b *Bucket) { b.Remote = "lake" }, "another folder": func(b *Bucket) { b.Prefix = "team-b/" },
		"a pattern": func(b *Bucket) { b.Name = "data*" },
	} {
		if sealed(t, change) == first {
			t.Errorf("%s: the same seal", name)
		}
	}
}

func TestAnEntryWithoutAFolderSealsNothing(t *testing.T) {
	b := Bucket{Name: "data", Remote: "lake", Host: "h", Port: 1, SecretKey: secret.New("s")}
	if text, err := b.TokenKey().Seal("kind", "text"); err == nil {
		t.Errorf("got %q", text)
	}
}
