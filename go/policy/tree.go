package policy

import (
	"cmp"
	"iter"
	"slices"
	"sort"
	"strings"
)

// tree finds what is about a text by the prefixes of the text: however much there is,
// little is looked at.
type tree[T any] []branch[T] // in the order of their prefixes

// branch is what begins with one prefix.
type branch[T any] struct {
	prefix string
	parent int // the longest other prefix that this one begins with; -1: there is none
	has    T
}

// treeOf makes a tree of what there is for each prefix.
func treeOf[T any](byPrefix map[string]*T) tree[T] {
	var t tree[T]
	for prefix, has := range byPrefix {
		t = append(t, branch[T]{prefix: prefix, has: *has})
	}
	slices.SortFunc(t, func(a, b branch[T]) int { return cmp.Compare(a.prefix, b.prefix) })
	for i := range t {
		parent := i - 1
		for parent >= 0 && !strings.HasPrefix(t[i].prefix, t[parent].prefix) {
			parent = t[parent].parent
		}
		t[i].parent = parent
	}
	return t
}

// about yields what there is for each prefix of a text, the longest first, with the rest
// of the text.
func (t tree[T]) about(text string) iter.Seq2[string, *T] {
	return func(yield func(string, *T) bool) {
		// All prefixes of the text are among the last branch that is not greater and its parents.
		i := sort.Search(len(t), func(i int) bool { return t[i].prefix > text })
		for i--; i >= 0; i = t[i].parent {
			if rest, begins := strings.CutPrefix(text, t[i].prefix); begins && !yield(rest, &t[i].has) {
				return
			}
		}
	}
}

// at returns what there is for a prefix, which is made if there is nothing.
func at[T any](byPrefix map[string]*T, prefix string) *T {
	has := byPrefix[prefix]
	if has == nil {
		has = new(T)
		byPrefix[prefix] = has
	}
	return has
}
