package config

import (
	"encoding/json"
	"maps"
	"math"
	"regexp"
	"slices"

	"osp/go/limits"
	"osp/go/s3op"
)

const (
	mostRequests = 1_000_000 // a second
	// Less than this many bytes a second is of no use: connections would be cut first.
	leastBytes = 1 << 10
	mostBytes  = 1 << 40
	mostCount  = 1 << 53 // of objects' bytes and of days: JSON knows no larger whole numbers
)

// className is what validators say.
var className = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// readRules reads the parameter limits; nil if it is not given.
func (c *Config) readRules(v *value) *limits.Rules {
	d := v.dict()
	if d == nil {
		return nil
	}
	r := &limits.Rules{
		All: readRule(d.take("all")), Entry: readRule(d.take("entry")), Token: readRule(d.take("token")),
		TokenAndBucket: readRule(d.take("token_and_bucket")), Anonymous: readRule(d.take("anonymous")), Address: readRule(d.take("address")),
	}
	r.Classes = c.readClasses(d.take("classes"))
	d.finish()
	return r
}

// readClasses reads the rules of which the validator chooses one.
func (c *Config) readClasses(v *value) map[string]*limits.Rule {
	d := v.dict()
	if d == nil {
		return nil
	}
	if !c.Has("validator") {
		v.reject("needs a validator, which chooses one of them")
	}
	out := make(map[string]*limits.Rule)
	for _, name := range slices.Sorted(maps.Keys(d.fields)) {
		class := &value{v.mistakes, d.at(printable(name)), d.fields[name]}
		if !className.MatchString(name) {
			class.reject("the name of a class must have up to 64 letters, digits, dots, hyphens and underscores")
		}
		if rule := readRule(class); rule != nil {
			out[name] = rule
		}
	}
	return out
}

// readEntryLimits reads the limits of an entry; nil if there are none.
func readEntryLimits(v *value) *limits.EntryRules {
	d := v.dict()
	if d == nil {
		return nil
	}
	r := &limits.EntryRules{All: readRule(d.take("all")), Token: readRule(d.take("token"))}
	d.finish()
	return r
}

func readRule(v *value) *limits.Rule {
	d := v.dict()
	if d == nil {
		return nil
	}
	r := &limits.Rule{Measures: readMeasures(d)}
	for class := range s3op.Classes {
		if of := d.take(class.String()).dict(); of != nil {
			r.Of[class] = readMeasures(of)
			of.finish()
		}
	}
	d.finish()
	return r
}

func readMeasures(d *dict) (m limits.Measures) {
	burst := d.take("burst")
	at, given := burst.integer(1, mostRequests)
	if perSecond, ok := d.take("requests").number(0.001, mostRequests); ok {
		if !given {
			at = int(math.Ceil(perSecond))
		}
		m.Requests = limits.NewRate(perSecond, int64(at))
	} else if burst != nil && d.fields["requests"] == nil {
		burst.reject("needs requests, of which it says how many may come at once")
	}
	m.In, m.Out = readBytes(d.take("bytes_in")), readBytes(d.take("bytes_out"))
	count := func(name string) int64 {
		n, _ := d.take(name).integer(1, mostCount)
		return int64(n)
	}
	m.Concurrent, m.Largest = count("concurrent"), count("largest_object")
	m.DayRequests, m.DayBytes = count("requests_per_day"), count("bytes_per_day")
	return m
}

// readBytes reads a number of bytes a second, which has a window of its own.
func readBytes(v *value) limits.Rate {
	if n, ok := v.integer(leastBytes, mostBytes); ok {
		return limits.NewRate(float64(n), 1)
	}
	return limits.Rate{}
}

// number returns a number, whole or not.
func (v *value) number(low, high float64) (float64, bool) {
	if v == nil {
		return 0, false
	}
	n, isNumber := v.raw.(json.Number)
	if !isNumber {
		v.wrongType("a number")
		return 0, false
	}
	f, err := n.Float64()
	if err != nil || !(f >= low && f <= high) {
		v.reject("must be between %g and %.0f, got %s", low, high, shorten(n.String()))
		return 0, false
	}
	return f, true
}
