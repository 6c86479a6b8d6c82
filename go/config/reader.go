package config

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// dict reads one JSON object key by key. It remembers which keys were asked
// for, so that the others can be reported at the end.
type dict struct {
	mistakes *MistakesError
	path     string // empty: the configuration itself
	fields   map[string]any
	known    []string
	private  bool // keys that nobody knows are not named: one may be what belongs into a value
}

// value is one given value and where it stands. The methods of a nil value,
// one that was not given, return nothing and report nothing.
type value struct {
	mistakes *MistakesError
	path     string
	raw      any // what encoding/json makes of it, numbers as json.Number
}

func (d *dict) at(key string) string {
	if d.path == "" {
		return key
	}
	return d.path + "." + key
}

// take returns the value of a key, which may have more than one spelling. It
// is nil when the value is missing or null: Python scripts write
// os.getenv("KEY") into their entries and mean "not given" by None.
func (d *dict) take(spellings ...string) *value {
	d.known = append(d.known, spellings...)
	var found *value
	for _, key := range spellings {
		raw := d.fields[key]
		switch {
		case raw == nil:
		case found == nil:
			found = &value{d.mistakes, d.at(key), raw}
		case !reflect.DeepEqual(found.raw, raw):
			d.mistakes.add(d.at(key), "contradicts %s, which means the same", found.path)
		}
	}
	return found
}

// need is take for a key that must be there.
func (d *dict) need(spellings ...string) *value {
	v := d.take(spellings...)
	if v == nil {
		d.mistakes.add(d.at(spellings[0]), "is required")
	}
	return v
}

// finish reports the keys that nobody asked for.
func (d *dict) finish() {
	var unknown []string
	for key := range d.fields {
		if !slices.Contains(d.known, key) {
			unknown = append(unknown, key)
		}
	}
	slices.Sort(unknown)
	if d.private && len(unknown) > 0 {
		d.mistakes.add(d.path, "has an unknown key")
		return
	}
	for _, key := range unknown {
		path := d.at(printable(key))
		if near := nearest(key, d.known); near != "" {
			d.mistakes.add(path, "unknown key; did you mean %s?", near)
		} else {
			d.mistakes.add(path, "unknown key")
		}
	}
}

func (v *value) reject(format string, args ...any) { v.mistakes.add(v.path, format, args...) }

func (v *value) wrongType(want string) { v.reject("must be %s, got %s", want, kind(v.raw)) }

// str returns a string that is not empty.
func (v *value) str() (string, bool) {
	if v == nil {
		return "", false
	}
	s, ok := v.raw.(string)
	switch {
	case !ok:
		v.wrongType("a string")
	case s == "":
		v.reject("must not be empty")
		ok = false
	}
	return s, ok
}

func (v *value) boolean() (b, ok bool) {
	if v == nil {
		return false, false
	}
	if b, ok = v.raw.(bool); !ok {
		v.wrongType("True or False")
	}
	return b, ok
}

// integer returns a whole number between low and high. Booleans are none,
// although Python's bool is an int.
func (v *value) integer(low, high int) (int, bool) {
	if v == nil {
		return 0, false
	}
	n, isNumber := v.raw.(json.Number)
	if !isNumber || isFloat(n) {
		v.wrongType("an integer")
		return 0, false
	}
	i, err := strconv.Atoi(n.String())
	if err != nil || i < low || i > high {
		v.reject("must be between %d and %d, got %s", low, high, shorten(n.String()))
		return 0, false
	}
	return i, true
}

// seconds returns a duration that is given in seconds, whole or not.
func (v *value) seconds(low, high time.Duration) (time.Duration, bool) {
	if v == nil {
		return 0, false
	}
	n, isNumber := v.raw.(json.Number)
	if !isNumber {
		v.wrongType("a number of seconds")
		return 0, false
	}
	f, err := n.Float64()
	if err != nil || math.IsNaN(f) || f < low.Seconds() || f > high.Seconds() {
		v.reject("must be between %g and %.0f seconds, got %s", low.Seconds(), high.Seconds(), shorten(n.String()))
		return 0, false
	}
	return time.Duration(f * float64(time.Second)), true
}

// share returns a number between 0 and 1.
func (v *value) share() (float64, bool) {
	if v == nil {
		return 0, false
	}
	n, isNumber := v.raw.(json.Number)
	if !isNumber {
		v.wrongType("a number")
		return 0, false
	}
	f, err := n.Float64()
	if err != nil || !(f >= 0 && f <= 1) {
		v.reject("must be between 0 and 1, got %s", shorten(n.String()))
		return 0, false
	}
	return f, true
}

// oneOf returns a string out of a few that are allowed.
func (v *value) oneOf(allowed ...string) (string, bool) {
	s, ok := v.str()
	if !ok {
		return "", false
	}
	if !slices.Contains(allowed, s) {
		v.reject("must be %s", alternatives(allowed))
		return "", false
	}
	return s, true
}

// items returns the elements of a list.
func (v *value) items() []*value {
	if v == nil {
		return nil
	}
	raw, ok := v.raw.([]any)
	if !ok {
		v.wrongType("a list")
		return nil
	}
	out := make([]*value, len(raw))
	for i, r := range raw {
		out[i] = &value{v.mistakes, v.path + "[" + strconv.Itoa(i) + "]", r}
	}
	return out
}

// dict returns a reader of an object, or nil after reporting that it is none.
func (v *value) dict() *dict {
	if v == nil {
		return nil
	}
	fields, ok := v.raw.(map[string]any)
	if !ok {
		v.wrongType("a dict")
		return nil
	}
	return &dict{mistakes: v.mistakes, path: v.path, fields: fields}
}

func isFloat(n json.Number) bool { return strings.ContainsAny(n.String(), ".eE") }

// kind names a JSON type as a Python programmer would.
func kind(raw any) string {
	switch r := raw.(type) {
	case nil:
		return "None"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case json.Number:
		if isFloat(r) {
			return "a float"
		}
		return "an integer"
	case []any:
		return "a list"
	default:
		return "a dict"
	}
}
