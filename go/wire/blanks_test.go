package wire

import "testing"

func TestOnlyValuesThatAreReadInTwoWaysAreChanged(t *testing.T) {
	for value, want := range map[string]string{
		"a  b": "a  b", "a b": "a b", "a\tb": "a b", "a \t  b  c": "a b c", "\u00a0a\u00a0": "a", "a\u00a0b": "a\u00a0b", "": "", "\"x  y\"": "\"x  y\"",
	} {
		if got := CanonicalBlanks(value); got != want {
			t.Errorf("%q became %q", value, got)
		}
	}
}
