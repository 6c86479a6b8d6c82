package policy

import "testing"

func TestAPatternForTextsHasWildcardsAndNoVariables(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"repo:acme/*", "repo:acme/app:ref:refs/heads/main", true}, {"repo:acme/*", "repo:acme", false},
		{"*", "", true}, {"", "", true}, {"", "x", false}, {"a?c", "abc", true}, {"a?c", "ac", false},
		{"ab*", "xab", false}, {"*main", "main2", false}, {"A", "a", false}, {"a$b", "a$b", true},
	} {
		p, err := ParsePattern(c.pattern)
		if err != nil || p.Matches(c.text) != c.want {
			t.Errorf("%q, %q: %v, %v", c.pattern, c.text, p.Matches(c.text), err)
		}
	}
	for _, wrong := range []string{"${aws:username}", "${x", "${other}"} {
		if _, err := ParsePattern(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}
