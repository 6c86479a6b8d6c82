package policy

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

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

// characters of a text: a byte that is not UTF-8 is one, too.
func characters(text string) (list []string) {
	for text != "" {
		_, size := utf8.DecodeRuneInString(text)
		list, text = append(list, text[:size]), text[size:]
	}
	return list
}

// isLike is what patterns are, slow and obvious.
func isLike(pattern, text []string) bool {
	switch {
	case len(pattern) == 0:
		return len(text) == 0
	case pattern[0] == "*":
		return isLike(pattern[1:], text) || len(text) > 0 && isLike(pattern, text[1:])
	default:
		return len(text) > 0 && (pattern[0] == "?" || pattern[0] == text[0]) && isLike(pattern[1:], text[1:])
	}
}

// upTo are all texts of at most so many of these parts.
func upTo(most int, parts ...string) []string {
	all := []string{""}
	for last := all; most > 0; most-- {
		var longer []string
		for _, text := range last {
			for _, part := range parts {
				longer = append(longer, text+part)
			}
		}
		all, last = append(all, longer...), longer
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestAPatternFitsWhatItSays(t *testing.T) {
	texts := upTo(4, "a", "b", "é", "\xc3", "\xa9")
	apart := make([][]string, len(texts))
	for i, text := range texts {
		apart[i] = characters(text)
	}
	for _, text := range upTo(5, "a", "b", "é", "*", "?") {
		if strings.Contains(text, "**") {
			continue
		}
		p, err := ParsePattern(text)
		if err != nil {
			t.Fatal(text, err)
		}
		said := characters(text)
		for i := range texts {
			if got := p.Matches(texts[i]); got != isLike(said, apart[i]) {
				t.Fatalf("%q, %q: %v", text, texts[i], got)
			}
		}
	}
}
