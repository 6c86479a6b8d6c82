package policy

import (
	"maps"
	"slices"
	"sort"
)

// index finds the statements of one effect that are about a resource and about who asks,
// by the texts with which their patterns begin: of ten thousand few are looked at.
type index struct {
	resources     tree[room]
	tokens, roles names
	claims        []claimed
}

// names has the rules about those whose name begins with one prefix, likewise.
type names = tree[[]rule]

// claimed has those about the values of one claim.
type claimed struct {
	claim  string
	values names
}

// room has the rules about the resources that begin with one prefix, in the order of
// their statements.
type room struct {
	actions   actionSet
	everybody []rule
	some      []rule // of statements that are only about some
}

// rule is one pattern of a statement; what has to fit after the prefix.
type rule struct {
	statement *Statement
	rest      pattern
}

func newIndex(statements []*Statement) index {
	resources, tokens, roles := map[string]*room{}, map[string]*[]rule{}, map[string]*[]rule{}
	claims := map[string]map[string]*[]rule{}
	for _, s := range statements {
		if s.notResources {
			at(resources, "").add(rule{s, pattern{{kind: many}}})
		} else {
			for _, p := range s.resources {
				prefix, rest := p.split()
				at(resources, prefix).add(rule{s, rest})
			}
		}
		mention(tokens, s, s.tokens)
		mention(roles, s, s.roles)
		for _, c := range s.claims {
			if claims[c.name] == nil {
				claims[c.name] = map[string]*[]rule{}
			}
			mention(claims[c.name], s, c.patterns)
		}
	}
	x := index{resources: treeOf(resources), tokens: treeOf(tokens), roles: treeOf(roles)}
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		x.claims = append(x.claims, claimed{name, treeOf(claims[name])})
	}
	return x
}

// mention adds the names by which a statement says whom it is about.
func mention(byPrefix map[string]*[]rule, s *Statement, patterns []pattern) {
	for _, p := range patterns {
		prefix, rest := p.split()
		list := at(byPrefix, prefix)
		*list = append(*list, rule{s, rest})
	}
}

func (r *room) add(one rule) {
	r.actions.join(&one.statement.actions)
	if one.statement.everybody {
		r.everybody = append(r.everybody, one)
	} else {
		r.some = append(r.some, one)
	}
}

// find returns a statement that applies to the question, nil if none does. One
// whose conditions can't be told counts if least says so.
func (x *index) find(q *Question, least truth, noted *notes) *Statement {
	for key, room := range x.resources.about(q.Resource) {
		if !room.actions.has(q.Action) {
			continue
		}
		for i := range room.everybody {
			if r := &room.everybody[i]; r.applies(q, key, least, noted) {
				return r.statement
			}
		}
		if s := x.findFor(q, room.some, key, least, noted); s != nil {
			return s
		}
	}
	return nil
}

// findFor is find for rules that are about some: about a client by its token, about a session by
// its role or a claim as well. Whoever has not signed is none of them.
func (x *index) findFor(q *Question, some []rule, key string, least truth, noted *notes) *Statement {
	if len(some) == 0 || q.Token == "" {
		return nil
	}
	if s := meet(x.tokens, q.Token, some, q, key, least, noted); s != nil || q.Session == nil {
		return s
	}
	if q.Session.Role != "" {
		if s := meet(x.roles, q.Session.Role, some, q, key, least, noted); s != nil {
			return s
		}
	}
	for i := range x.claims {
		for _, value := range claimOf(q, x.claims[i].claim) {
			if s := meet(x.claims[i].values, value, some, q, key, least, noted); s != nil {
				return s
			}
		}
	}
	return nil
}

// meet is find for rules whose statements are about somebody of this name. Both lists are in
// the order of the statements, so what only one of them has is skipped, far at a time.
func meet(mentioned names, name string, some []rule, q *Question, key string, least truth, noted *notes) *Statement {
	for rest, list := range mentioned.about(name) {
		for who, about := *list, some; len(who) > 0 && len(about) > 0; {
			switch w, r := &who[0], &about[0]; {
			case w.statement.Index < r.statement.Index:
				who = from(who, r.statement.Index)
			case w.statement.Index > r.statement.Index:
				about = from(about, w.statement.Index)
			case !w.rest.matches(rest, q, false):
				who = who[1:]
			case r.applies(q, key, least, noted):
				return r.statement
			default:
				about = about[1:]
			}
		}
	}
	return nil
}

// from returns the rules of a statement and of those behind it.
func from(rules []rule, statement int) []rule {
	near := 1
	for near < len(rules) && rules[near].statement.Index < statement {
		near *= 2
	}
	begin := near / 2
	rules = rules[begin:]
	return rules[sort.Search(min(near-begin, len(rules)), func(i int) bool { return rules[i].statement.Index >= statement }):]
}

// applies reports whether a rule about who asks applies, where key is what is left of the resource.
func (r *rule) applies(q *Question, key string, least truth, noted *notes) bool {
	return r.statement.actions.has(q.Action) && r.rest.matches(key, q, false) && r.statement.holds(q, noted) >= least
}
