package policy

import (
	"cmp"
	"slices"
	"sort"
	"strings"
)

// index finds the statements of one effect that are about a resource, by the text
// with which their patterns begin: however many there are, few are looked at.
type index struct {
	branches []branch // in the order of their prefixes
}

// branch is what begins with one prefix.
type branch struct {
	prefix  string
	parent  int // the longest other prefix that this one begins with; -1: there is none
	actions actionSet
	rules   []rule
}

// rule is one pattern of a statement; what has to fit after the prefix.
type rule struct {
	statement *Statement
	rest      pattern
}

func newIndex(statements []*Statement) index {
	byPrefix := map[string]*branch{}
	add := func(prefix string, r rule) {
		n := byPrefix[prefix]
		if n == nil {
			n = &branch{prefix: prefix}
			byPrefix[prefix] = n
		}
		n.actions.join(&r.statement.actions)
		n.rules = append(n.rules, r)
	}
	for _, s := range statements {
		if s.notResources {
			add("", rule{s, pattern{{kind: many}}})
			continue
		}
		for _, p := range s.resources {
			prefix, rest := p.split()
			add(prefix, rule{s, rest})
		}
	}
	var x index
	for _, n := range byPrefix {
		x.branches = append(x.branches, *n)
	}
	slices.SortFunc(x.branches, func(a, b branch) int { return cmp.Compare(a.prefix, b.prefix) })
	for i := range x.branches {
		parent := i - 1
		for parent >= 0 && !strings.HasPrefix(x.branches[i].prefix, x.branches[parent].prefix) {
			parent = x.branches[parent].parent
		}
		x.branches[i].parent = parent
	}
	return x
}

// find returns a statement that applies to the question, nil if none does. One
// whose conditions can't be told counts if least says so.
func (x *index) find(q *Question, least truth) *Statement {
	// All prefixes of the resource are among the last node that is not greater
	// and its parents.
	i := sort.Search(len(x.branches), func(i int) bool { return x.branches[i].prefix > q.Resource })
	for i--; i >= 0; i = x.branches[i].parent {
		n := &x.branches[i]
		rest, begins := strings.CutPrefix(q.Resource, n.prefix)
		if !begins || !n.actions.has(q.Action) {
			continue
		}
		for j := range n.rules {
			r := &n.rules[j]
			s := r.statement
			if s.actions.has(q.Action) && s.isAbout(q) && r.rest.matches(rest, q, false) && s.applies(q) >= least {
				return s
			}
		}
	}
	return nil
}
