package wire

import (
	"net/url"
	"strings"
	"testing"
)

func TestEveryByteIsEncodedAsAWSDoes(t *testing.T) {
	for c := range 256 {
		one := string([]byte{byte(c)})
		want := strings.ReplaceAll(url.QueryEscape(one), "+", "%20") // Go's escapes what AWS's does, but for the space
		if got := Encode(one, InQuery); got != want {
			t.Errorf("%q in a query: %s, want %s", one, got, want)
		}
		if c == '/' {
			want = one
		}
		if got := Encode(one, InPath); got != want {
			t.Errorf("%q in a path: %s, want %s", one, got, want)
		}
	}
}

func TestATextIsDecodedByTheRulesOfItsPart(t *testing.T) {
	for s, want := range map[string][2]string{ // in a path, in a query
		"": {"", ""}, "a/b": {"a/b", "a/b"}, "a+b": {"a+b", "a b"}, "a%2Bb": {"a+b", "a+b"}, "a%2fb%2F": {"a/b/", "a/b/"},
		"%41%e9+": {"A\xe9+", "A\xe9 "}, "%2520": {"%20", "%20"}, "\x00\xff%00": {"\x00\xff\x00", "\x00\xff\x00"},
	} {
		for in, want := range want {
			if got, ok := Decode(s, Part(in)); got != want || !ok {
				t.Errorf("%q, part %d: %q, %v", s, in, got, ok)
			}
		}
	}
}

func TestAMalformedEscapeIsNeverGuessedAt(t *testing.T) {
	for _, s := range []string{"%", "a%", "%2", "a%2", "%zz", "%2g", "%g2", "% 1", "%+1", "%-1", "%u0041", "a%%20", "%25%"} {
		for _, in := range []Part{InPath, InQuery} {
			if got, ok := Decode(s, in); ok {
				t.Errorf("%q is decoded to %q", s, got)
			}
			if got, ok := AppendCanonical(nil, s, in); ok {
				t.Errorf("%q is signed as %q", s, got)
			}
			if IsCanonical(s, in) || IsPlain(s, in) {
				t.Errorf("%q passes for encoded", s)
			}
			if rest, found := CutEncoded(s+"/", "a%", in); found {
				t.Errorf("a prefix is cut off %q, to %q", s, rest)
			}
		}
	}
}

func TestThereIsOneCanonicalSpelling(t *testing.T) {
	for s, want := range map[string][2]string{ // in a path, in a query
		"a-._~Z9": {"a-._~Z9", "a-._~Z9"}, "a/b": {"a/b", "a%2Fb"}, "a+b": {"a%2Bb", "a%20b"}, "%61": {"a", "a"}, "%2f": {"/", "%2F"},
		"é": {"%C3%A9", "%C3%A9"}, "%c3%A9": {"%C3%A9", "%C3%A9"}, "%7E%20": {"~%20", "~%20"}, "//./..": {"//./..", "%2F%2F.%2F.."},
	} {
		for in, want := range want {
			got, ok := AppendCanonical([]byte("before "), s, Part(in))
			if string(got) != "before "+want || !ok {
				t.Errorf("%q, part %d: %q, %v", s, in, got, ok)
			}
			if IsCanonical(s, Part(in)) != (s == want) || !IsCanonical(want, Part(in)) {
				t.Errorf("%q, part %d: canonical is %v", s, in, IsCanonical(s, Part(in)))
			}
		}
	}
}

func TestAPrefixIsCutOffHoweverItIsEncoded(t *testing.T) {
	for _, c := range []struct {
		s, prefix, rest string
		found           bool
	}{
		{"team%20a/k%20", "team a/", "k%20", true},
		{"team+a/k+", "team a/", "k+", true},
		{"team%20a%2Fk", "team a/", "k", true},
		{"%74eam a/", "team a/", "", true},
		{"team", "team a/", "", false},
		{"team%2", "team a/", "", false},
		{"team b/k", "team a/", "", false},
		{"100%25/k", "100%/", "k", true},
		{"k", "", "k", true},
	} {
		if rest, found := CutEncoded(c.s, c.prefix, InQuery); rest != c.rest || found != c.found {
			t.Errorf("%q off %q: %q, %v", c.prefix, c.s, rest, found)
		}
	}
	if _, found := CutEncoded("team+a/k", "team a/", InPath); found {
		t.Error("a plus sign is a space in a path")
	}
}

// One reader of percent-encoding decides what a validator is asked about, what is
// signed, and what a store is sent: whatever comes, they agree.
func FuzzURI(f *testing.F) {
	for _, s := range []string{"", "a/b", "a+b%20c", "%2f%2F//", "%zz", "%", "é%c3%A9", "\x00%00"} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, s string, query bool) {
		in := InPath
		if query {
			in = InQuery
		}
		encoded := Encode(s, in)
		if plain, ok := Decode(encoded, in); plain != s || !ok {
			t.Fatalf("%q becomes %q, and that %q, %v", s, encoded, plain, ok)
		}
		if !IsCanonical(encoded, in) || IsPlain(s, in) != (encoded == s) {
			t.Fatalf("%q becomes %q: plain %v", s, encoded, IsPlain(s, in))
		}
		plain, ok := Decode(s, in)
		canonical, canonicalOK := AppendCanonical(nil, s, in)
		if ok != canonicalOK || ok && string(canonical) != Encode(plain, in) {
			t.Fatalf("%q: decoded to %q, %v; signed as %q, %v", s, plain, ok, canonical, canonicalOK)
		}
		if IsCanonical(s, in) != (ok && string(canonical) == s) {
			t.Fatalf("%q is signed as %q: canonical is %v", s, canonical, IsCanonical(s, in))
		}
		for i := range plain {
			if rest, found := CutEncoded(s, plain[:i], in); !found || mustDecode(t, rest, in) != plain[i:] {
				t.Fatalf("%q off %q: %q, %v", plain[:i], s, rest, found)
			}
		}
	})
}

func mustDecode(t *testing.T, s string, in Part) string {
	t.Helper()
	plain, ok := Decode(s, in)
	if !ok {
		t.Fatalf("%q is left", s)
	}
	return plain
}

var spellings = map[string]string{
	"plain":   "/photos/2026/03/01/0001.jpg",
	"escaped": "/photos/2026/a%20b%2Bc%c3%a9.jpg",
}

func BenchmarkAppendCanonical(b *testing.B) {
	for name, s := range spellings {
		b.Run(name, func(b *testing.B) {
			room := make([]byte, 0, 256)
			for b.Loop() {
				AppendCanonical(room, s, InPath)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, s := range spellings {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Decode(s, InPath)
			}
		})
	}
}
