package wire

// CompareFold compares a name in lower case with one in any, as strings.Compare
// does. Only ASCII folds, of which names of header fields are made: no look-alike
// passes for one.
func CompareFold(lower, name string) int {
	for i := range min(len(lower), len(name)) {
		if a, b := lower[i], toLower(name[i]); a != b {
			return int(a) - int(b)
		}
	}
	return len(lower) - len(name)
}

// HasPrefixFold is strings.HasPrefix for a prefix in lower case and a name in any.
func HasPrefixFold(name, prefix string) bool {
	if len(name) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if toLower(name[i]) != prefix[i] {
			return false
		}
	}
	return true
}

// ContainsFold is strings.Contains likewise.
func ContainsFold(name, part string) bool {
	for i := range len(name) {
		if HasPrefixFold(name[i:], part) {
			return true
		}
	}
	return false
}

func toLower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
