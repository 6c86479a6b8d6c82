package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"osp/go/secret"
)

func ringOf(t *testing.T, ids ...string) Keyring {
	t.Helper()
	var texts []secret.Value
	for _, id := range ids {
		raw := make([]byte, keySize)
		copy(raw, id)
		texts = append(texts, secret.New(id+":"+base64.StdEncoding.EncodeToString(raw)))
	}
	ring, at, err := ParseKeyring(texts)
	if err != nil {
		t.Fatal(at, err)
	}
	return ring
}

func TestWhatIsNoKeyringIsNotQuoted(t *testing.T) {
	good := "k1:" + base64.StdEncoding.EncodeToString(make([]byte, keySize))
	for text, want := range map[string]error{
		"":                                 errNoKeys,
		"hunter2":                          errKeyForm,
		":hunter2":                         errKeyForm,
		"a b:hunter2":                      errKeyForm,
		strings.Repeat("k", 17) + ":" + "": errKeyForm,
		"k1:":                              errKeySize,
		"k1:hunter2":                       errKeySize,
		"k1:aHVudGVyMg==":                  errKeySize,
		good + "\n" + good:                 errKeyID,
	} {
		var texts []secret.Value
		for line := range strings.SplitSeq(text, "\n") {
			if text != "" {
				texts = append(texts, secret.New(line))
			}
		}
		_, at, err := ParseKeyring(texts)
		if !errors.Is(err, want) || at != max(0, len(texts)-1) || strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%q: at %d %v", text, at, err)
		}
	}
}

func TestABoxOpensWhatItsKeysSealedUnderThatNameForThatPurpose(t *testing.T) {
	old, both, fresh := ringOf(t, "k1"), ringOf(t, "k2", "k1"), ringOf(t, "k2")
	sealed := old.Box("values").Seal("name", []byte("value"))
	for name, c := range map[string]struct {
		box   *Box
		under string
		opens bool
	}{
		"the same":        {old.Box("values"), "name", true},
		"a later ring":    {both.Box("values"), "name", true},
		"without its key": {fresh.Box("values"), "name", false},
		"another name":    {old.Box("values"), "names", false},
		"another purpose": {old.Box("others"), "name", false},
	} {
		if value, ok := c.box.Open(c.under, sealed); ok != c.opens || ok && string(value) != "value" {
			t.Errorf("%s: %q, %v", name, value, ok)
		}
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, ok := both.Box("values").Open("name", changed); ok {
			t.Errorf("it opens with another byte %d", i)
		}
		if _, ok := old.Box("values").Open("name", sealed[:i]); ok {
			t.Errorf("%d bytes of it open", i)
		}
	}
}

func TestNamesTellListsOfTextsApart(t *testing.T) {
	names := ringOf(t, "k1").Namers("test")[0]
	if names.Name("ab", "c") == names.Name("a", "bc") || names.Name("a") == names.Name("a", "") {
		t.Error("two lists have one name")
	}
	other := ringOf(t, "k1").Namers("other")[0]
	if names.Name("a") == other.Name("a") || names.Name("a") != ringOf(t, "k1").Namers("test")[0].Name("a") {
		t.Error("a name hangs on something else than key and purpose")
	}
}

func TestAKeyringNeverPrints(t *testing.T) {
	ring := ringOf(t, "hunter2")
	raw := make([]byte, keySize)
	copy(raw, "hunter2")
	for _, v := range []any{ring, ring.Box("p"), ring.Namers("p")[0], &ring} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			text := fmt.Sprintf(format, v)
			if strings.Contains(text, base64.StdEncoding.EncodeToString(raw)) || strings.Contains(text, string(raw)) || strings.Contains(text, fmt.Sprintf("%x", raw)) {
				t.Errorf("%s of %T shows a key", format, v)
			}
		}
	}
}

func FuzzBox(f *testing.F) {
	raw := make([]byte, keySize)
	ring, _, err := ParseKeyring([]secret.Value{secret.New("k1:" + base64.StdEncoding.EncodeToString(raw))})
	if err != nil {
		f.Fatal(err)
	}
	box := ring.Box("values")
	f.Add("name", box.Seal("name", []byte("value")))
	f.Add("", []byte{boxVersion, 255})
	f.Fuzz(func(t *testing.T, name string, sealed []byte) {
		if value, ok := box.Open(name, sealed); ok && (name != "name" || string(value) != "value") {
			t.Errorf("opened %q", value)
		}
	})
}
