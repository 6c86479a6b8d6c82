package config

import (
	"strconv"
	"strings"
)

const longestEcho = 40 // bytes of a number or key that a message repeats

func shorten(s string) string {
	if len(s) <= longestEcho {
		return s
	}
	return strings.ToValidUTF8(s[:longestEcho], "") + "..."
}

// printable makes a key fit for a message: as it is when it looks like a
// Python name, quoted otherwise.
func printable(key string) string {
	for _, r := range key {
		if !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-') {
			return strconv.Quote(shorten(key))
		}
	}
	if key == "" {
		return `""`
	}
	return shorten(key)
}

// alternatives renders names as `"a", "b" or "c"`.
func alternatives(names []string) string {
	var b strings.Builder
	for i, name := range names {
		switch {
		case i == 0:
		case i == len(names)-1:
			b.WriteString(" or ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(strconv.Quote(name))
	}
	return b.String()
}

// nearest returns the known name that a mistyped key is likely to mean, or
// nothing when none is near.
func nearest(key string, known []string) string {
	if len(key) > 2*longestEcho {
		return ""
	}
	plain := func(s string) string {
		return strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(s))
	}
	best, bestDistance := "", 3
	for _, name := range known {
		allowed := min(2, len(name)/3)
		if d := editDistance(plain(key), plain(name)); d <= allowed && d < bestDistance {
			best, bestDistance = name, d
		}
	}
	return best
}

// editDistance counts the bytes to insert, delete, change or swap with their
// neighbour (optimal string alignment).
func editDistance(a, b string) int {
	table := make([][]int, len(a)+1)
	for i := range table {
		table[i] = make([]int, len(b)+1)
		table[i][0] = i
	}
	for j := range table[0] {
		table[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := table[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			table[i][j] = min(change, table[i-1][j]+1, table[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				table[i][j] = min(table[i][j], table[i-2][j-2]+1)
			}
		}
	}
	return table[len(a)][len(b)]
}
