package policy

import (
	"encoding/json"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"osp/go/s3op"
	"osp/go/session"
)

// This is the language a second time, slow and obvious: nothing is prepared, and
// every statement is read from JSON for every question. It expects documents that
// Parse accepts.

type object = map[string]any

func listOf(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

// expressions are kept, because compiling takes most of the time.
var expressions = map[string]*regexp.Regexp{}

// expression turns a text with wildcards and variables into a regular expression. q is
// whose variables they are, nil where there are none. ok is false for a variable without a
// value: it equals nothing.
func expression(text string, q *Question, wildcards bool) (re *regexp.Regexp, ok bool) {
	out := "(?s)^"
	for text != "" {
		switch {
		case strings.HasPrefix(text, "${"):
			inner, rest, _ := strings.Cut(text[2:], "}")
			text = rest
			if len(inner) == 1 {
				out += regexp.QuoteMeta(inner)
				continue
			}
			name, fallback, has := strings.Cut(inner, ",")
			values := slowValues(strings.ToLower(name), q)
			switch {
			case len(values) == 1:
				out += regexp.QuoteMeta(values[0])
			case has:
				out += regexp.QuoteMeta(strings.Trim(fallback, " '"))
			default:
				return nil, false
			}
		case wildcards && text[0] == '*':
			out, text = out+".*", text[1:]
		case wildcards && text[0] == '?':
			out, text = out+".", text[1:]
		default:
			out, text = out+regexp.QuoteMeta(text[:1]), text[1:]
		}
	}
	if re = expressions[out]; re == nil {
		re = regexp.MustCompile(out + "$")
		expressions[out] = re
	}
	return re, true
}

func slowFits(v any, text string, q *Question, wildcards bool) bool {
	re, ok := expression(v.(string), q, wildcards)
	return ok && re.MatchString(text)
}

func slowDecide(document []byte, q *Question) (effect Effect, by []int) {
	var doc object
	if err := json.Unmarshal(document, &doc); err != nil {
		panic(err)
	}
	found := map[Effect][]int{}
	for i, s := range listOf(doc["Statement"]) {
		s := s.(object)
		kind, least := Allow, yes
		if s["Effect"] == "Deny" {
			kind, least = Deny, unreadable
		}
		if slowApplies(s, q) >= least {
			found[kind] = append(found[kind], i)
		}
	}
	for _, e := range []Effect{Deny, Allow} {
		if len(found[e]) > 0 {
			return e, found[e]
		}
	}
	return None, nil
}

func slowApplies(s object, q *Question) truth {
	if !slowPrincipal(s["Principal"], q) || !slowAction(s, q.Action) || !slowResource(s, q) {
		return no
	}
	result := yes
	conditions, _ := s["Condition"].(object)
	for operator, keys := range conditions {
		for key, values := range keys.(object) {
			result = min(result, slowCondition(operator, strings.ToLower(key), listOf(values), q))
		}
	}
	return result
}

func slowPrincipal(who any, q *Question) bool {
	if who == "*" {
		return true
	}
	named := func(patterns any, texts ...string) bool {
		for _, p := range listOf(patterns) {
			for _, text := range texts {
				if p != nil && text != "" && slowFits(p, text, nil, true) {
					return true
				}
			}
		}
		return false
	}
	all := who.(object)
	claims, _ := all["Claim"].(object)
	for name, patterns := range claims {
		if named(patterns, slowValues("jwt:"+name, q)...) {
			return true
		}
	}
	return named(all["Token"], q.Token) || named(all["Group"], slowValues("jwt:groups", q)...) || q.Session != nil && named(all["Role"], q.Session.Role)
}

func slowAction(s object, action s3op.Action) bool {
	list, inverted := s["Action"], false
	if list == nil {
		list, inverted = s["NotAction"], true
	}
	for _, a := range listOf(list) {
		if slowFits(strings.ToLower(a.(string)), strings.ToLower(action.String()), nil, true) {
			return !inverted
		}
	}
	return inverted
}

func slowResource(s object, q *Question) bool {
	list, inverted := s["Resource"], false
	if list == nil {
		list, inverted = s["NotResource"], true
	}
	for _, r := range listOf(list) {
		if slowFits(r, "arn:aws:s3:::"+q.Resource, q, true) {
			return !inverted
		}
	}
	return inverted
}

// slowValues are the values of a key as texts.
func slowValues(key string, q *Question) []string {
	session := q.Session
	if session == nil {
		session = &noSession
	}
	claim, isClaim := strings.CutPrefix(key, "jwt:")
	tag, isTag := strings.CutPrefix(key, "aws:principaltag/")
	value, given := "", false
	switch {
	case claim == "iss" && isClaim && session.Issuer != "":
		value, given = session.Issuer, true
	case claim == "sub" && isClaim && session.Subject != "":
		value, given = session.Subject, true
	case isClaim:
		return session.Claims[claim]
	case isTag:
		value, given = session.Tags[tag]
	case key == "aws:sourceidentity":
		value, given = session.SourceIdentity, session.SourceIdentity != ""
	case key == "aws:userid" && session.Role != "":
		value, given = session.Role+":"+session.Name, true
	default:
		value, given = slowValue(key, q)
	}
	if !given {
		return nil
	}
	return []string{value}
}

var noSession session.Session

// slowValue is the value of a key that has nothing to do with sessions.
func slowValue(key string, q *Question) (string, bool) {
	switch key {
	case "aws:sourceip":
		return q.ClientIP, q.ClientIP != ""
	case "aws:securetransport":
		return strconv.FormatBool(q.Secure), true
	case "aws:currenttime", "aws:epochtime":
		return strconv.FormatInt(q.Now().Unix(), 10), true
	case "aws:username", "aws:userid":
		return q.Token, q.Token != ""
	case "s3:prefix", "s3:delimiter", "s3:max-keys":
		return q.Request.Param(strings.TrimPrefix(key, "s3:"))
	case "s3:versionid":
		return q.VersionID, q.VersionID != ""
	}
	return q.Request.Field(map[string]string{"s3:x-amz-acl": "X-Amz-Acl", "s3:x-amz-storage-class": "X-Amz-Storage-Class"}[key])
}

func slowCondition(operator, key string, values []any, q *Question) truth {
	have := slowValues(key, q)
	if operator == "Null" {
		return truthOf((values[0] == "true" || values[0] == true) == (len(have) == 0))
	}
	operator, optional := strings.CutSuffix(operator, "IfExists")
	operator, all := strings.CutPrefix(operator, "ForAllValues:")
	operator, some := strings.CutPrefix(operator, "ForAnyValue:")
	if all || some {
		have = slices.DeleteFunc(slices.Clone(have), func(value string) bool { return value == "" })
	}
	negated := strings.Contains(operator, "Not")
	operator = strings.Replace(operator, "Not", "", 1)
	switch {
	case len(have) == 0 && (optional || all):
		return yes
	case len(have) == 0 && some:
		return no
	}
	fits := map[truth]int{}
	for _, value := range have {
		fits[slowAny(operator, values, value, q)]++
	}
	switch {
	case fits[unreadable] > 0:
		return unreadable
	case negated && all: // each value has to be another one
		return truthOf(fits[yes] == 0)
	case negated && some:
		return truthOf(fits[no] > 0)
	case all:
		return truthOf(fits[no] == 0)
	}
	return truthOf(fits[yes] > 0 != negated)
}

// slowAny reports whether a value compares with any that are wanted.
func slowAny(operator string, wanted []any, value string, q *Question) truth {
	for _, v := range wanted {
		if result := slowCompare(operator, v, value, q); result != no {
			return result
		}
	}
	return no
}

var decimal = regexp.MustCompile(`^-?([0-9]+\.?[0-9]*|\.[0-9]+)$`)

func slowCompare(operator string, v any, value string, q *Question) truth {
	wanted, _ := v.(string)
	if n, ok := v.(float64); ok {
		wanted = strconv.FormatFloat(n, 'f', -1, 64)
	}
	switch {
	case operator == "StringEquals":
		return truthOf(slowFits(v, value, q, false))
	case operator == "StringEqualsIgnoreCase":
		re, ok := expression(wanted, q, false)
		return truthOf(ok && regexp.MustCompile("(?i)"+re.String()).MatchString(value))
	case operator == "StringLike":
		return truthOf(slowFits(v, value, q, true))
	case operator == "Bool":
		return truthOf(wanted == value || v == (value == "true"))
	case strings.HasSuffix(operator, "IpAddress"):
		ip, err := netip.ParseAddr(value)
		if err != nil {
			return unreadable
		}
		if !strings.Contains(wanted, "/") {
			return truthOf(ip.Unmap() == netip.MustParseAddr(wanted))
		}
		return truthOf(netip.MustParsePrefix(wanted).Contains(ip.Unmap()))
	}
	if !decimal.MatchString(value) {
		return unreadable
	}
	have, _ := strconv.ParseFloat(value, 64)
	want, err := strconv.ParseFloat(wanted, 64)
	if err != nil {
		date, err := time.Parse(time.RFC3339, wanted)
		if err != nil {
			date, err = time.Parse(time.DateOnly, wanted)
		}
		if err != nil {
			panic(err)
		}
		want = float64(date.Unix())
	}
	for ending, holds := range map[string]bool{"LessThanEquals": have <= want, "GreaterThanEquals": have >= want, "LessThan": have < want, "GreaterThan": have > want} {
		if strings.HasSuffix(operator, ending) {
			return truthOf(holds)
		}
	}
	return truthOf(have == want)
}
