package sts

import (
	"net/http"
	"slices"
	"strings"

	"osp/go/wire"
)

const (
	// LongestBody is what a request may have, in bytes. An identity token has 20,000 at
	// most, and a policy some thousands.
	LongestBody = 64 << 10
	// maxParameters has room for fifty tags and a signature.
	maxParameters = 128
)

// Request is what a client asks for. It is read, and proves nothing.
type Request struct {
	action *action
	params parameters
}

// Action is the name of what is asked for.
func (r *Request) Action() string { return r.action.name }

// Signed reports whether the request has to be signed. Otherwise it carries an identity
// token.
func (r *Request) Signed() bool { return !r.action.unsigned }

// GivesKeys reports whether keys are in the response, which nobody else may read.
func (r *Request) GivesKeys() bool { return r.action.name != getCallerIdentity }

// Read reads the parameters of a request from the one place where they are: the query if
// it has an Action, else the body. Its errors are *s3err.Error values.
func Read(method, rawQuery string, body []byte) (*Request, error) {
	inQuery, err := parse(rawQuery)
	if err != nil {
		return nil, err
	}
	for name := range inQuery {
		if wire.IsSignature(name) {
			delete(inQuery, name)
		}
	}
	params := inQuery
	switch _, given := inQuery["Action"]; {
	case given && len(body) > 0:
		return nil, ValidationError.Msg("The query has the parameters of the request, which then must not have a body.")
	case given:
	case len(inQuery) > 0:
		return nil, ValidationError.Msg("The query must have all of the parameters, or none.")
	default:
		if params, err = parse(string(body)); err != nil {
			return nil, err
		}
	}
	a, err := actionOf(method, params)
	if err != nil {
		return nil, err
	}
	return &Request{a, params}, params.check(a)
}

// actionOf finds the action that the parameters name.
func actionOf(method string, params parameters) (*action, error) {
	name, given := params["Action"]
	if !given {
		return nil, MissingAction
	}
	a := actions[name]
	switch {
	case a == nil:
		return nil, InvalidAction.Msg("There is no such action here.")
	case params["Version"] != version:
		return nil, InvalidAction.Msg("The action " + name + " is that of version " + version + ", which the request has to name.")
	case method == http.MethodGet && !a.link:
		return nil, InvalidAction.Msg("The action " + name + " has to be sent with POST.")
	}
	return a, nil
}

// parameters are decoded, and each occurs once.
type parameters map[string]string

// parse reads a query or a form.
func parse(raw string) (parameters, error) {
	if strings.Count(raw, "&") >= maxParameters {
		return nil, ValidationError.Msg("There are too many parameters.")
	}
	p := parameters{}
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, ok := wire.Decode(rawName, wire.InQuery)
		value, valid := wire.Decode(rawValue, wire.InQuery)
		if !ok || !valid {
			return nil, MalformedQueryString
		}
		if _, twice := p[name]; twice {
			return nil, ValidationError.Msg("A parameter is given more than once.")
		}
		p[name] = value
	}
	return p, nil
}

// elsewhere are parameters that AWS's STS has, and why they are refused here.
var elsewhere = map[string]string{
	"PolicyArns":        "there are no managed policies; Policy narrows a session",
	"ProvidedContexts":  "contexts are an affair of AWS's own services",
	"ProviderId":        "it is for access tokens of OAuth 2.0, and only identity tokens of OpenID Connect are accepted",
	"SerialNumber":      "there is no multi-factor authentication",
	"TokenCode":         "there is no multi-factor authentication",
	"TransitiveTagKeys": "a session's tags are its own",
}

// check refuses parameters that an action does not have.
func (p parameters) check(a *action) error {
	for name := range p {
		list, _, _ := strings.Cut(name, ".")
		switch {
		case name == "Action" || name == "Version" || slices.Contains(a.takes, name):
		case list == "Tags" && slices.Contains(a.takes, list):
		case elsewhere[list] != "":
			return ValidationError.Msg("The parameter " + list + " is not supported: " + elsewhere[list] + ".")
		default:
			return ValidationError.Msg("A parameter does not belong to the action " + a.name + ".")
		}
	}
	return nil
}
