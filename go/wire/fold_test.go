package wire

import (
	"strings"
	"testing"
)

// In U+212A and U+017F Unicode has a second "k" and a second "s".
const lookAlikes = "\u212a\u017f"

func TestNamesHaveNoCase(t *testing.T) {
	for name, want := range map[string]int{
		"x-amz-date": 0, "X-Amz-Date": 0, "X-AMZ-DATE": 0, "X-Amz-Dat": 1, "X-Amz-Date2": -1, "": 1, "Y": -1, "A": 1, "x_amz-date": -1,
	} {
		if got := CompareFold("x-amz-date", name); got < 0 != (want < 0) || got > 0 != (want > 0) {
			t.Errorf("%q: %d", name, got)
		}
	}
	for name, want := range map[string]bool{"X-Amz-Acl": true, "x-amz-": true, "x-amz": false, "X_Amz-Acl": false, "": false, "xx-amz-acl": false} {
		if HasPrefixFold(name, "x-amz-") != want {
			t.Errorf("%q: it begins so is %v", name, !want)
		}
	}
	for name, want := range map[string]bool{"X-Goog-Copy-Source": true, "-copy-source": true, "x-copy-sourc": false, "": false} {
		if ContainsFold(name, "-copy-source") != want {
			t.Errorf("%q: it is in it is %v", name, !want)
		}
	}
}

func TestLookAlikesAreOtherNames(t *testing.T) {
	if CompareFold("ks", lookAlikes) == 0 || HasPrefixFold(lookAlikes, "k") || ContainsFold("a"+lookAlikes, "s") {
		t.Error("what is not ASCII folds")
	}
}

func FuzzFold(f *testing.F) {
	f.Add("X-Amz-Meta-A", "x-amz-")
	f.Add("x-"+lookAlikes, "k")
	f.Fuzz(func(t *testing.T, name, other string) {
		folded, lower := ascii(name), ascii(other)
		if got, want := CompareFold(lower, name), strings.Compare(lower, folded); got < 0 != (want < 0) || got > 0 != (want > 0) {
			t.Errorf("compare %q, %q: %d, want %d", lower, name, got, want)
		}
		if HasPrefixFold(name, lower) != strings.HasPrefix(folded, lower) {
			t.Errorf("%q, %q: prefix", name, lower)
		}
		if lower != "" && ContainsFold(name, lower) != strings.Contains(folded, lower) {
			t.Errorf("%q, %q: contains", name, lower)
		}
	})
}

// ascii is strings.ToLower for ASCII alone.
func ascii(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}
