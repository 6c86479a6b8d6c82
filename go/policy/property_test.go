package policy

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"osp/go/s3op"
	"osp/go/session"
)

// facts are what a request says.
type facts struct{ params, fields map[string]string }

func (f facts) Param(name string) (string, bool) { v, ok := f.params[name]; return v, ok }
func (f facts) Field(name string) (string, bool) { v, ok := f.fields[name]; return v, ok }

var noon = time.Date(2026, 6, 1, 12, 0, 0, 500, time.UTC)

func atNoon() time.Time { return noon }

// dice choose among few texts, so that generated policies and questions often meet.
type dice struct{ *rand.Rand }

func (d dice) of(choices ...string) string { return choices[d.IntN(len(choices))] }

// some is one value, or a list of one to three.
func (d dice) some(one func() any) any {
	if d.IntN(2) == 0 {
		return one()
	}
	list := []any{}
	for range 1 + d.IntN(3) {
		list = append(list, one())
	}
	return list
}

func (d dice) key() string {
	text := ""
	for range d.IntN(4) {
		text += d.of("a", "b", "/", "é", "alice", "*", "a/b", "$", "\xff")
	}
	return text
}

func (d dice) patternText() string {
	text := ""
	for range 1 + d.IntN(4) {
		text += d.of("a", "b", "/", "é", "*", "?", "**", "alice", "${aws:username}", "${aws:userid, 'nobody'}", "${jwt:team}", "${aws:PrincipalTag/team, 'a'}", "${*}", "${$}", "a/b", "$")
	}
	return text
}

func (d dice) statement() object {
	s := object{"Effect": d.of("Allow", "Allow", "Deny"), "Principal": any("*")}
	if d.IntN(3) == 0 {
		s["Principal"] = d.principal()
	}
	s[d.of("Action", "Action", "Action", "NotAction")] = d.some(func() any {
		return d.of("s3:GetObject", "s3:PutObject", "s3:*Object", "s3:ListBucket", "S3:getobject*", "*", "s3:List*", "s3:?etObject")
	})
	s[d.of("Resource", "Resource", "Resource", "NotResource")] = d.some(func() any {
		return "arn:aws:s3:::" + d.of("b", "b/", "b*", "*", "${aws:username}/", "b/a") + d.patternText()
	})
	if d.IntN(2) == 0 {
		c := object{}
		for range 1 + d.IntN(2) {
			operator, block := d.condition()
			c[operator] = block
		}
		s["Condition"] = c
	}
	return s
}

func (d dice) principal() object {
	names := func() any { return d.some(func() any { return d.of("alice", "a*", "*", "?ob", "carol") }) }
	who := object{}
	for len(who) == 0 {
		if d.IntN(2) == 0 {
			who["Token"] = names()
		}
		for _, kind := range []string{"Role", "Group"} {
			if d.IntN(4) == 0 {
				who[kind] = names()
			}
		}
		if d.IntN(4) == 0 {
			who["Claim"] = object{d.of("team", "sub", "iss", "none"): names()}
		}
	}
	return who
}

func (d dice) session() *session.Session {
	if d.IntN(2) == 0 {
		return nil
	}
	s := &session.Session{Role: d.of("", "alice", "a"), Name: d.of("a", "b"), Subject: d.of("", "alice", "bob"), Issuer: d.of("", "a/b"), SourceIdentity: d.of("", "a"),
		Claims: map[string][]string{"groups": {d.of("alice", "bob"), "a"}, "team": {d.of("a", "b", "alice")}}, Tags: map[string]string{}}
	if d.IntN(2) == 0 {
		s.Tags["team"] = d.of("a", "A", "alice")
	}
	return s
}

func (d dice) condition() (operator string, block object) {
	switch d.IntN(7) {
	case 0:
		return d.of("NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals", "NumericEquals", "NumericNotEquals", "NumericLessThanIfExists", "ForAnyValue:NumericEquals"),
			object{d.of("s3:max-keys", "S3:Max-Keys"): d.some(func() any { return d.of("10", "100", "7.5") })}
	case 1:
		return d.of("DateLessThan", "DateGreaterThan", "DateEquals", "DateNotEquals", "DateLessThanEquals", "DateGreaterThanEquals"),
			object{d.of("aws:CurrentTime", "aws:EpochTime"): d.some(func() any {
				return d.of("2026-06-01T12:00:00Z", "2026-06-01T14:00:00+02:00", "2026-06-02", "1780315200", "1700000000")
			})}
	case 2:
		return d.of("Bool", "BoolIfExists"), object{"aws:SecureTransport": []any{"true", "false", true, false}[d.IntN(4)]}
	case 3:
		return d.of("IpAddress", "NotIpAddress", "IpAddressIfExists"),
			object{"aws:SourceIp": d.some(func() any { return d.of("10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "10.1.2.3/32") })}
	case 4:
		return "Null", object{d.of("s3:prefix", "aws:username", "s3:x-amz-acl", "s3:VersionId", "aws:SourceIp", "jwt:groups", "aws:PrincipalTag/team"): d.of("true", "false")}
	}
	operator = d.of("", "", "ForAllValues:", "ForAnyValue:") +
		d.of("StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase")
	if operator[:2] == "St" {
		operator += d.of("", "IfExists")
	}
	return operator, object{d.of("s3:prefix", "s3:delimiter", "aws:username", "aws:userid", "s3:x-amz-acl", "s3:x-amz-storage-class", "s3:VersionId",
		"jwt:groups", "jwt:team", "jwt:sub", "aws:PrincipalTag/team", "aws:SourceIdentity"): d.some(func() any {
		return d.of("", "a", "A", "/", "a*", "private", "alice", "v1", d.patternText())
	})}
}

func (d dice) question() *Question {
	f := facts{map[string]string{}, map[string]string{}}
	for _, name := range []string{"prefix", "delimiter"} {
		if d.IntN(2) == 0 {
			f.params[name] = d.of("", "/", d.key())
		}
	}
	if d.IntN(2) == 0 {
		f.params["max-keys"] = d.of("10", "11", "7.5", "+10", "1e1", "", "0010")
	}
	for _, name := range []string{"X-Amz-Acl", "X-Amz-Storage-Class"} {
		if d.IntN(2) == 0 {
			f.fields[name] = d.of("private", "A", "a")
		}
	}
	resource := d.of("b", "c", "alice", "")
	if key := d.key(); key != "" && resource != "" {
		resource += "/" + key
	}
	q := &Question{
		Action:   s3op.Action(slices.Index(s3op.Actions(), d.of("s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:DeleteObject", "s3:Unknown"))),
		Resource: resource, Token: d.of("alice", "bob", "", "a*", "Alice"), VersionID: d.of("", "v1"),
		ClientIP: d.of("", "10.1.2.3", "192.0.2.1", "2001:db8::1", "::ffff:10.1.2.3", "unknown"), Secure: d.IntN(2) == 0, Now: atNoon, Request: f,
	}
	if q.Token != "" { // each session has one
		q.Session = d.session()
	}
	return q
}

// Generated policies and questions come to the same by two implementations.
func TestAnObviousImplementationDecidesTheSame(t *testing.T) {
	const policies, questions = 1500, 12
	d := dice{rand.New(rand.NewPCG(22, 6))}
	outcomes := map[Effect]int{}
	for range policies {
		statements := []any{}
		many := 1 + d.IntN(5)
		if d.IntN(20) == 0 {
			many *= 20 // of which one after the other is skipped
		}
		for range many {
			statements = append(statements, d.statement())
		}
		document, err := json.Marshal(object{"Version": "2012-10-17", "Statement": statements})
		if err != nil {
			t.Fatal(err)
		}
		p, err := Parse(document)
		if err != nil {
			t.Fatalf("%s\n%v", document, err)
		}
		for range questions {
			q := d.question()
			got := p.Decide(q)
			want, by := slowDecide(document, q)
			outcomes[got.Effect]++
			if got.Effect != want || want != None && !slices.Contains(by, got.Statement.Index) {
				t.Fatalf("%s\n%+v (%s)\ngot %v by %v, want %v by %v", document, q, q.Action, got.Effect, got.Statement, want, by)
			}
		}
	}
	for _, e := range []Effect{None, Allow, Deny} { // or the dice meet too rarely
		if outcomes[e] < policies*questions/20 {
			t.Errorf("of %d questions %d come to %d", policies*questions, outcomes[e], e)
		}
	}
}
