package roles

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
)

// Token says as whom the callbacks see a session. Nothing in it is what the client has
// chosen.
type Token struct{ parts []string } // texts, and {names}

var errToken = errors.New("has braces that are not understood; there are {role}, {subject} and {issuer}")

// ParseToken reads a text with {role}, {subject} and {issuer}.
func ParseToken(text string) (t Token, err error) {
	for text != "" {
		before, rest, opened := strings.Cut(text, "{")
		name, after, closed := strings.Cut(rest, "}")
		switch {
		case strings.Contains(before, "}") || opened && !closed:
			return Token{}, errToken
		case !opened:
			return Token{append(t.parts, before)}, nil
		case name != "role" && name != "subject" && name != "issuer":
			return Token{}, errToken
		}
		t.parts = append(t.parts, before, "{"+name+"}")
		text = after
	}
	return t, nil
}

// Has reports whether a name stands in it.
func (t Token) Has(name string) bool { return slices.Contains(t.parts, "{"+name+"}") }

func (t Token) of(role, subject, issuer string) string {
	var b strings.Builder
	for _, part := range t.parts {
		switch part {
		case "{role}":
			part = role
		case "{subject}":
			part = subject
		case "{issuer}":
			part = issuer
		}
		b.WriteString(part)
	}
	return b.String()
}

// origin is where sessions of a role come from: an issuer, or signatures. What their tokens
// are like is the same for all of it, but for the subject.
type origin struct {
	role          string
	text          string // with a NUL for the subject
	hasSubject    bool
	before, after string // what stands before the first subject, and after the last one
}

// origins are those of a role.
func (r *Role) origins() (list []origin) {
	issuers := r.Issuers
	if len(r.Keys) > 0 {
		issuers = append(slices.Clone(issuers), "")
	}
	for _, issuer := range issuers {
		o := origin{role: r.Name, text: r.Token.of(r.Name, "\x00", issuer), hasSubject: r.Token.Has("subject")}
		o.before, o.after = o.text, o.text
		if o.hasSubject {
			o.before, o.after = o.text[:strings.IndexByte(o.text, 0)], o.text[strings.LastIndexByte(o.text, 0)+1:]
			o.text = issuer + "\x00" + o.text // subjects of another issuer are others
		}
		list = append(list, o)
	}
	return list
}

// meets reports whether some subject of one origin could have a token of another one, which
// begins as those of the first do.
func (o *origin) meets(other *origin) bool {
	switch {
	case !o.hasSubject:
		return false
	case !other.hasSubject:
		return len(other.text) > len(o.before)+len(o.after) && strings.HasSuffix(other.text, o.after)
	}
	return strings.HasSuffix(o.after, other.after) || strings.HasSuffix(other.after, o.after)
}

// Confused finds roles that could give somebody the token of somebody else, because subjects
// may be called anything: each with the role that has the other token, which may be itself. A
// token without a subject is meant for all who have the role.
func Confused(all map[string]*Role) map[string]string {
	byText := map[string]origin{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, o := range all[name].origins() {
			if _, known := byText[o.text]; !known {
				byText[o.text] = o
			}
		}
	}
	list := slices.SortedFunc(maps.Values(byText), func(a, b origin) int {
		return cmp.Or(strings.Compare(a.before, b.before), strings.Compare(a.text, b.text))
	})
	confused := map[string]string{}
	for i := range list {
		for j := i + 1; j < len(list) && strings.HasPrefix(list[j].before, list[i].before); j++ {
			if list[i].meets(&list[j]) {
				confused[list[i].role] = list[j].role
			}
		}
	}
	return confused
}
