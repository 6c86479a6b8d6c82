package policy

import (
	"encoding/json"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"osp/go/s3op"
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

// expression turns a text with wildcards and variables into a regular expression.
// ok is false for a variable without a value: it equals nothing.
func expression(text string, by holder, wildcards bool) (re *regexp.Regexp, ok bool) {
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
			value := by.username
			if strings.TrimSpace(name) == "aws:userid" {
				value = by.userid
			}
			switch {
			case value != "":
				out += regexp.QuoteMeta(value)
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

// holder is what variables are about: who asks; nobody is the zero one.
type holder struct{ username, userid string }

func holderOf(q *Question) holder {
	if q.Session != nil && q.Session.Role != "" {
		return holder{q.Token, q.Session.Role + ":" + q.Session.Name}
	}
	return holder{q.Token, q.Token}
}

func slowFits(v any, text string, by holder, wildcards bool) bool {
	re, ok := expression(v.(string), by, wildcards)
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
	if q.Token == "" {
		return false
	}
	is := map[string][]string{"Token": {q.Token}}
	claims, _ := who.(object)["Claim"].(object)
	if q.Session != nil {
		is["Group"] = q.Session.Claims["groups"]
		if q.Session.Role != "" {
			is["Role"] = []string{q.Session.Role}
		}
		for name, patterns := range claims {
			if slowNamed(patterns, q.Session.Claims[name]) {
				return true
			}
		}
	}
	for kind, names := range is {
		if patterns, given := who.(object)[kind]; given && slowNamed(patterns, names) {
			return true
		}
	}
	return false
}

func slowNamed(patterns any, names []string) bool {
	for _, p := range listOf(patterns) {
		for _, name := range names {
			if slowFits(p, name, holder{}, true) {
				return true
			}
		}
	}
	return false
}

func slowAction(s object, action s3op.Action) bool {
	list, inverted := s["Action"], false
	if list == nil {
		list, inverted = s["NotAction"], true
	}
	for _, a := range listOf(list) {
		if slowFits(strings.ToLower(a.(string)), strings.ToLower(action.String()), holder{}, true) {
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
		if slowFits(r, "arn:aws:s3:::"+q.Resource, holderOf(q), true) {
			return !inverted
		}
	}
	return inverted
}

// slowValue is the value of a key as a text.
func slowValue(key string, q *Question) (string, bool) {
	switch key {
	case "aws:sourceip":
		return q.ClientIP, q.ClientIP != ""
	case "aws:securetransport":
		return strconv.FormatBool(q.Secure), true
	case "aws:currenttime", "aws:epochtime":
		return strconv.FormatInt(q.Now().Unix(), 10), true
	case "aws:username":
		return q.Token, q.Token != ""
	case "aws:userid":
		id := holderOf(q).userid
		return id, id != ""
	case "s3:prefix", "s3:delimiter", "s3:max-keys":
		return q.Request.Param(strings.TrimPrefix(key, "s3:"))
	case "s3:versionid":
		return q.VersionID, q.VersionID != ""
	}
	return q.Request.Field(map[string]string{"s3:x-amz-acl": "X-Amz-Acl", "s3:x-amz-storage-class": "X-Amz-Storage-Class"}[key])
}

func slowCondition(operator, key string, values []any, q *Question) truth {
	value, given := slowValue(key, q)
	if operator == "Null" {
		return truthOf((values[0] == "true" || values[0] == true) == !given)
	}
	operator, optional := strings.CutSuffix(operator, "IfExists")
	operator, all := strings.CutPrefix(operator, "ForAllValues:")
	operator, some := strings.CutPrefix(operator, "ForAnyValue:")
	if (all || some) && value == "" {
		given = false
	}
	negated := strings.Contains(operator, "Not")
	operator = strings.Replace(operator, "Not", "", 1)
	if !given {
		switch {
		case optional || all:
			return yes
		case some:
			return no
		}
		return truthOf(negated)
	}
	for _, v := range values {
		switch slowCompare(operator, v, value, holderOf(q)) {
		case unreadable:
			return unreadable
		case yes:
			return truthOf(!negated)
		}
	}
	return truthOf(negated)
}

var decimal = regexp.MustCompile(`^-?([0-9]+\.?[0-9]*|\.[0-9]+)$`)

func slowCompare(operator string, v any, value string, by holder) truth {
	wanted, _ := v.(string)
	if n, ok := v.(float64); ok {
		wanted = strconv.FormatFloat(n, 'f', -1, 64)
	}
	switch {
	case operator == "StringEquals":
		return truthOf(slowFits(v, value, by, false))
	case operator == "StringEqualsIgnoreCase":
		return truthOf(slowFits(strings.ToLower(wanted), strings.ToLower(value), holder{strings.ToLower(by.username), strings.ToLower(by.userid)}, false))
	case operator == "StringLike":
		return truthOf(slowFits(v, value, by, true))
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
