package access

import (
	"errors"
	"fmt"
	"strings"

	"osp/go/policy"
	"osp/go/s3op"
)

// errByPolicy is the cause of an AccessDenied that follows from a policy.
var errByPolicy = errors.New("refused by a policy")

// noPolicy says that none governs the question.
const noPolicy policy.Effect = 0xff

// ruling is what the policies say about a question, and why.
type ruling struct {
	effect policy.Effect
	reason string // of a refusal
}

// decision is a ruling that nothing else can change.
func (r ruling) decision() Decision {
	return Decision{Allowed: r.effect == policy.Allow, Source: Policy, Reason: r.reason}
}

// rule asks the policies. One denies the question that denies any action that it needs; to
// allow it they have to allow every one, where an allow counts from either of them. What
// needs no action nobody could deny, so where there is a policy it is refused.
func (c *Checker) rule(q *Question) ruling {
	if q.Policies == (Policies{}) {
		return ruling{effect: noPolicy}
	}
	return c.ruleBy(q, q.Policies[:]...)
}

// ruleBy asks these policies alone.
func (c *Checker) ruleBy(q *Question, policies ...*policy.Policy) ruling {
	var stack [8]s3op.Action
	actions := q.actions(stack[:0])
	if len(actions) == 0 {
		return ruling{policy.Deny, "no policy can allow " + q.request.Operation}
	}
	said := ruling{effect: policy.Allow}
	for _, action := range actions {
		switch v := c.decide(q, action, policies); v.Effect {
		case policy.Deny:
			return ruling{policy.Deny, fmt.Sprintf("%s denies %s", v.Statement, action)}
		case policy.None:
			if said.effect == policy.Allow {
				said = ruling{policy.None, "no statement allows " + action.String()}
			}
		}
	}
	return said
}

// decide asks policies about one action.
func (c *Checker) decide(q *Question, action s3op.Action, policies []*policy.Policy) (v policy.Verdict) {
	asked := policy.Question{
		Action: action, Resource: q.resource(), Token: q.request.Token, Session: q.request.Session, VersionID: q.request.VersionID,
		ClientIP: q.address, Secure: q.secure, Now: c.now, Request: q,
	}
	for _, p := range policies {
		if said := p.Decide(&asked); said.Effect > v.Effect {
			v = said
		}
	}
	return v
}

// Forbidden returns AccessDenied if a policy denies the question explicitly, and nil
// if it does not: that something else has to allow it is left to the caller.
func (c *Checker) Forbidden(q *Question) error {
	if r, refused := c.outside(q); refused && r.effect == policy.Deny {
		return r.decision().Refusal()
	}
	if r := c.rule(q); r.effect == policy.Deny {
		return r.decision().Refusal()
	}
	return nil
}

// actions are those that the question needs.
func (q *Question) actions(to []s3op.Action) []s3op.Action {
	return s3op.Operation(q.request.Operation).Actions(to, q.request.VersionID != "", func(name string) bool {
		_, given := q.header(name)
		return given
	})
}

// resource is what the question is about, as a policy calls it. The path has it, too,
// unless something in it had to be encoded.
func (q *Question) resource() string {
	r := &q.request
	switch {
	case r.Key == "":
		return r.Bucket
	case len(r.Path) == len(r.Bucket)+len(r.Key)+2:
		return r.Path[1:]
	}
	return r.Bucket + "/" + r.Key
}

// Param implements policy.Request.
func (q *Question) Param(name string) (value string, given bool) {
	if q.unknown != nil {
		q.unknown("s3:" + name)
	}
	for i := range q.request.Query {
		if q.request.Query[i].Name == name {
			return q.request.Query[i].Value, true
		}
	}
	return "", false
}

// Field implements policy.Request.
func (q *Question) Field(name string) (value string, given bool) {
	if q.unknown != nil {
		q.unknown("s3:" + strings.ToLower(name))
	}
	return q.header(name)
}

func (q *Question) header(name string) (value string, given bool) {
	if q.field == nil {
		return "", false
	}
	return q.field(name)
}
