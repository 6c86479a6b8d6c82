package policy

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// truth is whether something holds. What can't be told, because a client has sent
// a value that makes no sense, holds for a deny and does not for an allow.
type truth uint8

const (
	no truth = iota
	unreadable
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// applies reports whether a statement that is about the action, about who asks and, by
// one of its patterns, about the resource applies to the question.
func (s *Statement) applies(q *Question) truth {
	if s.notResources && matchesAny(s.resources, q.Resource, q, false) {
		return no
	}
	result := yes
	for i := range s.conditions { // all of them have to hold
		result = min(result, s.conditions[i].holds(q))
		if result == no {
			break
		}
	}
	return result
}

// matchesAny compares a text with patterns; with fold, whatever the case of variables.
func matchesAny(patterns []pattern, text string, q *Question, fold bool) bool {
	for _, p := range patterns {
		if len(p) > 0 && p[0].kind == literal && !strings.HasPrefix(text, p[0].text) {
			continue // as most of many do
		}
		if p.matches(text, q, fold) {
			return true
		}
	}
	return false
}

// condition is one key of one operator, with the values of which one has to fit;
// negated, none may ("Creating a condition with multiple keys or values").
type condition struct {
	key     *key
	test    test
	negated bool
	ifNone  bool // whether it holds where the key has no value
	isSet   bool // ForAllValues and ForAnyValue, to which an empty text is no value
	every   bool // the first of them

	patterns []pattern // of a text
	numbers  []float64
	times    []time.Time
	networks []netip.Prefix
	truths   []bool
}

// test is how a value is compared with those of the condition.
type test uint8

const (
	fits     test = iota // the patterns
	fitsFold             // likewise, whatever the case of the letters
	equals
	less
	lessOrEqual
	greater
	greaterOrEqual
	isTrue
	inNetwork
	isNull
)

func (c *condition) holds(q *Question) truth {
	if c.test == isNull {
		return truthOf(c.truths[0] != c.key.given(q))
	}
	if c.key.values != nil {
		return truthOf(c.holdsOf(c.key.values(q), q))
	}
	found, given := c.compare(q)
	if !given {
		return truthOf(c.ifNone)
	}
	if found == unreadable {
		return unreadable
	}
	return truthOf((found == yes) != c.negated)
}

// compare reports whether one of the condition's values fits that of its key.
func (c *condition) compare(q *Question) (found truth, given bool) {
	switch {
	case c.test == fits || c.test == fitsFold:
		text, given := c.key.text(q)
		if !given || c.isSet && text == "" {
			return no, false
		}
		return truthOf(c.fits(text, q)), true
	case c.test == isTrue:
		return truthOf(c.truths[0] == q.Secure), true
	case c.test == inNetwork:
		return c.compareAddress(q.ClientIP)
	case c.numbers != nil:
		return c.compareNumber(q)
	}
	now := q.Now().Truncate(time.Second)
	for _, t := range c.times {
		if c.test.holds(now.Compare(t)) {
			return yes, true
		}
	}
	return no, true
}

func (c *condition) fits(text string, q *Question) bool {
	if c.test == fitsFold {
		text = strings.ToLower(text)
	}
	return matchesAny(c.patterns, text, q, c.test == fitsFold)
}

// holdsOf is holds for a key that may have several values. Without a word about them, it
// is enough that one of them fits or, negated, one is too many.
func (c *condition) holdsOf(values []string, q *Question) bool {
	number, fitting := 0, 0
	for _, value := range values {
		if c.isSet && value == "" {
			continue
		}
		number++
		if c.fits(value, q) {
			fitting++
		}
	}
	switch {
	case number == 0:
		return c.ifNone
	case !c.isSet:
		return (fitting > 0) != c.negated
	case c.negated:
		fitting = number - fitting
	}
	if c.every {
		return fitting == number
	}
	return fitting > 0
}

func (c *condition) compareAddress(text string) (truth, bool) {
	if text == "" {
		return no, false
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return unreadable, true
	}
	for _, n := range c.networks {
		if n.Contains(address.Unmap().WithZone("")) {
			return yes, true
		}
	}
	return no, true
}

func (c *condition) compareNumber(q *Question) (truth, bool) {
	text, given := c.key.text(q)
	if !given || c.isSet && text == "" {
		return no, false
	}
	number, ok := readNumber(text)
	if !ok {
		return unreadable, true
	}
	for _, n := range c.numbers {
		if c.test.holds(compare(number, n)) {
			return yes, true
		}
	}
	return no, true
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// holds reports whether the outcome of a comparison is what is asked for.
func (t test) holds(order int) bool {
	switch t {
	case equals:
		return order == 0
	case less:
		return order < 0
	case lessOrEqual:
		return order <= 0
	case greater:
		return order > 0
	}
	return order >= 0
}

// readNumber reads an integer or a decimal number. Stores may read more out of
// other texts, and each something else.
func readNumber(text string) (float64, bool) {
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || strings.Trim(digits, "0123456789.") != "" {
		return 0, false
	}
	number, err := strconv.ParseFloat(text, 64)
	return number, err == nil
}
