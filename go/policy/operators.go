package policy

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// operator is one of "IAM JSON policy elements: Condition operators".
type operator struct {
	kind    kind
	test    test
	negated bool
	exact   bool // no wildcards
}

const anyKind = text | number | date | boolean | address

var operators = map[string]operator{
	"StringEquals":              {kind: text, exact: true},
	"StringNotEquals":           {kind: text, exact: true, negated: true},
	"StringEqualsIgnoreCase":    {kind: text, test: fitsFold, exact: true},
	"StringNotEqualsIgnoreCase": {kind: text, test: fitsFold, exact: true, negated: true},
	"StringLike":                {kind: text},
	"StringNotLike":             {kind: text, negated: true},
	"NumericEquals":             {kind: number, test: equals},
	"NumericNotEquals":          {kind: number, test: equals, negated: true},
	"NumericLessThan":           {kind: number, test: less},
	"NumericLessThanEquals":     {kind: number, test: lessOrEqual},
	"NumericGreaterThan":        {kind: number, test: greater},
	"NumericGreaterThanEquals":  {kind: number, test: greaterOrEqual},
	"DateEquals":                {kind: date, test: equals},
	"DateNotEquals":             {kind: date, test: equals, negated: true},
	"DateLessThan":              {kind: date, test: less},
	"DateLessThanEquals":        {kind: date, test: lessOrEqual},
	"DateGreaterThan":           {kind: date, test: greater},
	"DateGreaterThanEquals":     {kind: date, test: greaterOrEqual},
	"Bool":                      {kind: boolean, test: isTrue},
	"IpAddress":                 {kind: address, test: inNetwork},
	"NotIpAddress":              {kind: address, test: inNetwork, negated: true},
	"Null":                      {kind: anyKind, test: isNull},
}

const (
	ifExists     = "IfExists"
	forAllValues = "ForAllValues:"
	forAnyValue  = "ForAnyValue:"
)

func (r *reader) readConditions(n *node) []condition {
	var out []condition
	for i, member := range r.membersOf(n) {
		if prototype, op, ok := r.readOperator(member, n.names[i]); ok {
			out = append(out, r.readKeys(member, prototype, op)...)
		}
	}
	return out
}

// readForm is readConditions for another service, of whose operators and keys only the
// form is known.
func (r *reader) readForm(n *node) {
	for _, keys := range r.membersOf(n) {
		for _, values := range r.membersOf(keys) {
			for _, value := range values.items() {
				if value.kind == '{' || value.kind == '[' || value.kind == isNothing {
					r.add(value, "must be a string, a number or a truth value")
				}
			}
		}
	}
}

// membersOf returns the members of an object that must have some.
func (r *reader) membersOf(n *node) []*node {
	if n.kind != '{' || len(n.names) == 0 {
		r.add(n, "must be an object that is not empty")
		return nil
	}
	return n.members
}

// readKeys reads the keys that an operator is about. All of them have to hold, so that
// one that is there twice, in another case, would not be what its author means.
func (r *reader) readKeys(n *node, prototype condition, op operator) (out []condition) {
	seen := map[string]bool{}
	for i, name := range n.names {
		c, values := prototype, n.members[i]
		var known bool
		switch c.key, known = keyNamed(name); {
		case !known:
			r.add(values, "is no condition key that is known here")
			continue
		case seen[c.key.name]:
			r.add(values, "is given more than once, in another case")
			continue
		case c.key.kind&op.kind == 0:
			r.add(values, "does not go with this operator: it is %s", c.key.kind)
			continue
		}
		seen[c.key.name] = true
		r.readValues(values, op, &c)
		out = append(out, c)
	}
	return out
}

// readOperator reads the name of an operator with what may stand around it. Where a
// key has no value an operator does not hold, or, negated, it does; IfExists lets
// either hold ("Condition operators"); to ForAllValues none is enough, and to
// ForAnyValue it is not ("Multivalued context keys").
func (r *reader) readOperator(n *node, full string) (c condition, op operator, ok bool) {
	name, all := strings.CutPrefix(full, forAllValues)
	name, some := strings.CutPrefix(name, forAnyValue)
	name, optional := strings.CutSuffix(name, ifExists)
	op, ok = operators[name]
	switch {
	case !ok:
		r.add(n, "is no operator that is known here")
		return c, op, false
	case all && some, op.test == isNull && (all || some || optional), some && optional:
		r.add(n, "combines what does not go together")
		return c, op, false
	case r.membersOf(n) == nil:
		return c, op, false
	}
	c = condition{test: op.test, negated: op.negated, isSet: all || some, every: all, ifNone: op.negated}
	if all || some || optional {
		c.ifNone = !some
	}
	return c, op, true
}

func (r *reader) readValues(n *node, op operator, c *condition) {
	items := n.items()
	if one := op.test == isNull || op.test == isTrue; len(items) == 0 || one && len(items) > 1 {
		r.add(n, "must have a value, and Bool and Null only one")
		return
	}
	for _, item := range items {
		if complaint := c.add(item, op); complaint != "" {
			r.add(item, "%s", complaint)
		}
	}
	for _, p := range c.patterns {
		r.spend(n, p, c.comparisons(p))
	}
}

// comparisons is about how many of a text with a plain pattern take as long as one of the
// key's value with this one: each of several values is compared, and a variable is looked
// up, and put in lower case if that is asked for.
func (c *condition) comparisons(p pattern) int {
	const ofValues, ofLower = 8, 8
	n := 1 + p.number(variable)
	if c.test == fitsFold {
		n = 1 + ofLower*p.number(variable)
	}
	if c.key.values != nil {
		n *= ofValues
	}
	return n
}

// add adds a value, or says what is wrong with it.
func (c *condition) add(n *node, op operator) string {
	switch {
	case op.kind == text:
		return c.addPattern(n, op)
	case op.kind == number:
		value, ok := readNumber(n.text)
		c.numbers = append(c.numbers, value)
		return unless(ok && (n.kind == isString || n.kind == isNumber), "must be a number")
	case op.kind == date:
		value, ok := readDate(n.text)
		c.times = append(c.times, value)
		return unless(ok && (n.kind == isString || n.kind == isNumber), "must be a date of ISO 8601, such as 2026-01-31T12:00:00Z, or seconds since 1970")
	case op.kind == address:
		value, ok := readNetwork(n.text)
		c.networks = append(c.networks, value)
		return unless(ok && n.kind == isString, "must be an address or a network, such as 10.0.0.0/8")
	}
	c.truths = append(c.truths, n.truth || n.text == "true")
	return unless(n.kind == isBoolean || n.kind == isString && (n.text == "true" || n.text == "false"), "must be true or false")
}

func unless(ok bool, complaint string) string {
	if ok {
		return ""
	}
	return complaint
}

func (c *condition) addPattern(n *node, op operator) string {
	if n.kind != isString || len(n.text) > longestText {
		return "must be a string of at most " + strconv.Itoa(longestText) + " bytes"
	}
	parse := parsePattern
	if op.exact {
		parse = parsePlain
	}
	p, err := parse(n.text)
	if err != nil {
		return err.Error()
	}
	if op.test == fitsFold {
		for i := range p {
			p[i].text = strings.ToLower(p[i].text)
		}
	}
	c.patterns = append(c.patterns, p)
	return ""
}

// String names the operators that a key takes.
func (k kind) String() string {
	switch {
	case k&text != 0:
		return "a text, for String operators"
	case k == date|number:
		return "a time in seconds, for Date and Numeric operators"
	case k == number:
		return "a number, for Numeric operators"
	case k == date:
		return "a time, for Date operators"
	case k == boolean:
		return "true or false, for Bool"
	}
	return "an address, for IpAddress and NotIpAddress"
}

// The years that ISO 8601 can write, in seconds since 1970. A time far outside of
// them would not even be compared correctly.
const (
	yearZero  = -62_167_219_200
	year10000 = 253_402_300_800
)

// readDate reads the forms of W3C's profile of ISO 8601
// (https://www.w3.org/TR/NOTE-datetime) that name a day, or seconds since 1970.
func readDate(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.Truncate(time.Second), true
		}
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	return time.Unix(seconds, 0), err == nil && seconds >= yearZero && seconds < year10000
}

// readNetwork reads an address, or a network in CIDR notation.
func readNetwork(text string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(text); err == nil && !a.Is4In6() && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	n, err := netip.ParsePrefix(text)
	if err != nil || n.Addr().Is4In6() {
		return netip.Prefix{}, false
	}
	return n.Masked(), true
}
