package session

import "testing"

func BenchmarkIssue(b *testing.B) {
	i := New(ringOf(b, "k1"), at(noon))
	s := alice()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := i.Issue(s); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen: a token that this replica sees for the first time, and one that it
// has seen before.
func BenchmarkOpen(b *testing.B) {
	i := New(ringOf(b, "k1"), at(noon))
	keys := issue(b, i, alice())
	token := keys.Token.Reveal()
	b.Run("cold", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := i.read(keys.AccessKey, token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("warm", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := i.Open(keys.AccessKey, token); err != nil {
				b.Fatal(err)
			}
		}
	})
}
