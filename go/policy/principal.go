package policy

import (
	"errors"
	"slices"
)

// groups is the claim that Group is short for.
const groups = "groups"

// readPrincipal reads whom a statement is about: "*" is everybody, who may not even have
// signed; an object has those of whom one has to fit, of which patterns are allowed:
// clients by what callbacks see as their token, and sessions by their role, their groups
// and the claims of their identity token. AWS's principals are accounts, users and roles
// of its own, so that none of them is understood here.
func (r *reader) readPrincipal(statement *node, s *Statement) {
	if r.attached {
		if n := statement.member("Principal"); n != nil {
			r.add(n, "must not be there: the policy is about who has it")
		}
		s.everybody = true
		return
	}
	n := r.need(statement, "Principal")
	switch {
	case n == nil:
		return
	case n.kind == isString:
		if s.everybody = n.text == "*"; !s.everybody {
			r.add(n, `must be "*" or an object, such as {"Token": "alice"}`)
		}
		return
	case !r.object(n, "Token", "Role", "Group", "Claim"):
		return
	case len(n.members) == 0:
		r.add(n, "must not be empty")
	}
	s.tokens = r.readNames(n.member("Token"))
	s.roles = r.readNames(n.member("Role"))
	if group := n.member("Group"); group != nil {
		s.claims = append(s.claims, claim{groups, r.readNames(group)})
	}
	if claims := n.member("Claim"); claims != nil {
		for i, values := range r.membersOf(claims) {
			s.claims = append(s.claims, claim{claims.names[i], r.readNames(values)})
		}
	}
}

// readNames reads patterns of names; none, if there is nothing to read.
func (r *reader) readNames(n *node) (names []pattern) {
	if n == nil {
		return nil
	}
	for _, t := range r.texts(n) {
		p, err := parsePattern(t.text)
		switch {
		case errors.Is(err, errWildcards):
			r.add(t, "%s", err)
		case err != nil || p.number(variable) > 0:
			r.add(t, "must have no variable but ${*}, ${?} and ${$}")
		default:
			r.spend(t, p, 1)
			names = append(names, p)
		}
	}
	return names
}

// looksCloser is LooksCloser of a policy that has only this statement.
func (s *Statement) looksCloser() bool {
	return len(s.claims) > 0 || slices.ContainsFunc(s.resources, pattern.looksCloser) ||
		slices.ContainsFunc(s.conditions, func(c condition) bool {
			return c.key.closer || slices.ContainsFunc(c.patterns, pattern.looksCloser)
		})
}

func (p pattern) looksCloser() bool {
	return slices.ContainsFunc(p, func(one piece) bool { return one.kind == variable && one.key.closer })
}
