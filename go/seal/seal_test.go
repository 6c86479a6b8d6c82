package seal

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"osp/go/secret"
)

func key(password string, names ...string) Key {
	return Derive("test", []secret.Value{secret.New(password)}, names...)
}

func sealed(t *testing.T, k Key, kind, text string) string {
	t.Helper()
	s, err := k.Seal(kind, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOneTextHasOneSealAndOpensAgain(t *testing.T) {
	for _, text := range []string{"", "team/k", "\x00\xff", strings.Repeat("k", MaxText)} {
		s := sealed(t, key("p", "lake"), "token", text)
		if again := sealed(t, key("p", "lake"), "token", text); again != s {
			t.Errorf("%.10q sealed twice: %s and %s", text, s, again)
		}
		if got, ok := key("p", "lake").Open("token", s); got != text || !ok {
			t.Errorf("got %.10q, %v", got, ok)
		}
		if url.QueryEscape(s) != s {
			t.Errorf("%s would be escaped", s)
		}
	}
}

func TestASealShowsNothingOfItsText(t *testing.T) {
	s := sealed(t, key("p"), "token", "team-secret-folder/k")
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || strings.Contains(string(raw), "secret") {
		t.Errorf("%q, %v", raw, err)
	}
}

func TestOnlyTheSameKeyAndKindOpen(t *testing.T) {
	s := sealed(t, key("p", "lake", "team"), "token", "text")
	for name, k := range map[string]Key{
		"another secret": key("q", "lake", "team"), "other names": key("p", "lake", "teams"), "the names in another order": key("p", "team", "lake"),
		"names that run together": key("p", "laket", "eam"), "no secret": Derive("test", nil, "lake", "team"),
		"an empty one more": Derive("test", []secret.Value{secret.New("p"), {}}, "lake", "team"),
		"another purpose":   Derive("tests", []secret.Value{secret.New("p")}, "lake", "team"), "no key": {},
	} {
		if text, ok := k.Open("token", s); ok {
			t.Errorf("%s opens it: %q", name, text)
		}
	}
	if text, ok := key("p", "lake", "team").Open("upload", s); ok {
		t.Errorf("another kind opens it: %q", text)
	}
}

func TestNothingButASealOpens(t *testing.T) {
	k := key("p")
	s := sealed(t, k, "token", "text")
	for i := range s {
		for _, c := range "AB-_= \n" {
			if other := s[:i] + string(c) + s[i+1:]; other != s {
				if text, ok := k.Open("token", other); ok {
					t.Errorf("%q opens as %q", other, text)
				}
			}
		}
	}
	for _, other := range []string{"", "A", s[1:], s[:len(s)-1], s + "A", s + "=", s + "\n", s + s, strings.Repeat("A", 1<<20)} {
		if text, ok := k.Open("token", other); ok {
			t.Errorf("%.80q opens as %q", other, text)
		}
	}
	// Even somebody who knew only the AES key could not give one text two
	// seals.
	forged := append([]byte("other nonce."), k.aead().Seal(nil, []byte("other nonce."), []byte("text"), []byte("token"))...)
	if _, ok := k.Open("token", coding.EncodeToString(forged)); ok {
		t.Error("a nonce of one's own choice opens")
	}
}

func TestWhatCantBeSealedIsAnError(t *testing.T) {
	if s, err := (Key{}).Seal("token", "text"); !errors.Is(err, ErrNoKey) || s != "" {
		t.Errorf("without a key: %q, %v", s, err)
	}
	if s, err := key("p").Seal("token", strings.Repeat("k", MaxText+1)); !errors.Is(err, ErrLong) || s != "" {
		t.Errorf("a long text: %q, %v", s, err)
	}
}

func TestAKeyNeverPrints(t *testing.T) {
	k := key("p")
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if s := fmt.Sprintf(format, k); strings.Contains(s, k.material.Reveal()) || strings.Contains(s, fmt.Sprintf("%x", k.material.Reveal()[:4])) {
			t.Errorf("%s prints %q", format, s)
		}
	}
}

// Whatever a client sends opens only if it is the seal of what it opens to.
func FuzzOpen(f *testing.F) {
	k := key("p")
	for _, text := range []string{"", "team/k"} {
		s, err := k.Seal("token", text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(s)
	}
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, s string) {
		text, ok := k.Open("token", s)
		if !ok {
			return
		}
		if again, err := k.Seal("token", text); again != s || err != nil {
			t.Fatalf("%q opens as %q, whose seal is %q (%v)", s, text, again, err)
		}
	})
}

func BenchmarkSealAndOpen(b *testing.B) {
	k := key("p")
	for b.Loop() {
		s, err := k.Seal("upload", "c0ffee00-0000-4000-8000-000000000000")
		if err != nil {
			b.Fatal(err)
		}
		if _, ok := k.Open("upload", s); !ok {
			b.Fatal("it does not open")
		}
	}
}
