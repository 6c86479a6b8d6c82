package sts

import (
	"context"
	"errors"
	"slices"
	"time"

	"osp/go/identity"
	"osp/go/policy"
	"osp/go/roles"
	"osp/go/s3err"
	"osp/go/session"
)

// version is that of the API.
const version = "2011-06-15"

// The names of the actions.
const (
	assumeRole           = "AssumeRole"
	assumeByIdentity     = "AssumeRoleWithWebIdentity"
	getSessionToken      = "GetSessionToken"
	getCallerIdentity    = "GetCallerIdentity"
	getScopedCredentials = "GetScopedCredentials"
)

// action is one that there is here.
type action struct {
	name     string
	unsigned bool
	link     bool     // SDKs make presigned URLs for GET of it
	takes    []string // parameters; of lists, the list
	do       func(s *Service, ctx context.Context, r *Request, from Caller) (any, error)
}

var actions = func() map[string]*action {
	byName := map[string]*action{}
	for _, a := range []action{
		{name: assumeRole, do: (*Service).assumeRole, takes: []string{
			"RoleArn", "RoleSessionName", "Policy", "DurationSeconds", "Tags", "ExternalId", "SourceIdentity", "MinimumSessionTokenSize"}},
		{name: assumeByIdentity, do: (*Service).assumeByIdentity, unsigned: true, takes: []string{
			"RoleArn", "RoleSessionName", "WebIdentityToken", "Policy", "DurationSeconds", "MinimumSessionTokenSize"}},
		{name: getSessionToken, do: (*Service).sessionToken, takes: []string{"DurationSeconds", "MinimumSessionTokenSize"}},
		{name: getCallerIdentity, do: (*Service).callerIdentity, link: true},
		{name: getScopedCredentials, do: (*Service).scopedCredentials, takes: []string{
			"Policy", "DurationSeconds", "ScopedSessionDescription", "MinimumSessionTokenSize"}},
	} {
		byName[a.name] = &a
	}
	return byName
}()

// How long sessions may be asked for, in seconds. That of GetSessionToken is no longer
// than a role's; a session that narrows itself ends with what it narrows.
const (
	longestGranted = int(roles.Longest / time.Second)
	longestScoped  = int(session.Longest / time.Second)
)

func (s *Service) assumeRole(ctx context.Context, r *Request, from Caller) (any, error) {
	f := &fields{params: r.params}
	want := &roles.Request{
		Action: assumeRole, Role: roleOf(f.need("RoleArn", roleARN)), SessionName: f.need("RoleSessionName", sessionName),
		ExternalID: f.text("ExternalId", externalID), SourceIdentity: f.text("SourceIdentity", sessionName),
		Duration: f.duration(longestGranted), Tags: f.tags(), Policies: f.policy(),
		Caller: from.Principal, ClientIP: from.ClientIP, Since: from.Since,
	}
	f.tokenSize()
	if f.err != nil {
		return nil, f.err
	}
	given, err := s.grant(ctx, want)
	if err != nil {
		return nil, err
	}
	return given.result(), nil
}

func (s *Service) assumeByIdentity(ctx context.Context, r *Request, from Caller) (any, error) {
	f := &fields{params: r.params}
	want := &roles.Request{
		Action: assumeByIdentity, Role: roleOf(f.need("RoleArn", roleARN)), SessionName: f.need("RoleSessionName", sessionName),
		Duration: f.duration(longestGranted), Policies: f.policy(), ClientIP: from.ClientIP, Since: from.Since,
	}
	token := trim(f.need("WebIdentityToken", webToken))
	f.tokenSize()
	if f.err != nil {
		return nil, f.err
	}
	var err error
	if want.Identity, err = s.identify(ctx, token); err != nil {
		return nil, err
	}
	given, err := s.grant(ctx, want)
	if err != nil {
		return nil, err
	}
	return identityResult{
		roleResult: given.result(),
		Subject:    want.Identity.Subject, Provider: want.Identity.Issuer, Audience: want.Identity.Audience,
	}, nil
}

func (s *Service) sessionToken(ctx context.Context, r *Request, from Caller) (any, error) {
	f := &fields{params: r.params}
	want := &roles.Request{Action: getSessionToken, Duration: f.duration(longestGranted), Caller: from.Principal, ClientIP: from.ClientIP, Since: from.Since}
	f.tokenSize()
	if f.err != nil {
		return nil, f.err
	}
	if from.Principal.Session != nil || from.Principal.Temporary {
		return nil, s3err.AccessDenied.Msg("Temporary keys can't get others of longer life.")
	}
	given, err := s.grant(ctx, want)
	if err != nil {
		return nil, err
	}
	return tokenResult{credentials{given.keys}}, nil
}

func (s *Service) callerIdentity(_ context.Context, _ *Request, from Caller) (any, error) {
	return identityOf(from.Principal), nil
}

// scopedCredentials narrows the session that has signed: nothing is given that was not
// given before, so nobody else is asked.
func (s *Service) scopedCredentials(_ context.Context, r *Request, from Caller) (any, error) {
	f := &fields{params: r.params}
	duration, policies := f.duration(longestScoped), f.policy()
	f.text("ScopedSessionDescription", description)
	f.tokenSize()
	if duration == 0 && policies == nil {
		f.fail(MissingParameter.Msg("The request must contain one of the parameters Policy and DurationSeconds."))
	}
	caller := from.Principal.Session
	if caller == nil {
		f.fail(InvalidSubjectCredentials)
	}
	if f.err != nil {
		return nil, f.err
	}
	if err := understood(policies); err != nil {
		return nil, err
	}
	scoped, err := scope(caller, policies)
	if err != nil {
		return nil, err
	}
	if duration > 0 {
		until := s.Now().Add(duration)
		if until.After(caller.Expires) {
			return nil, InsufficientLifetime
		}
		scoped.Expires = until
	}
	keys, _, err := s.Issue(scoped)
	if err != nil {
		return nil, refusedSession(err)
	}
	return scopedResult{
		Credentials: credentials{keys}, SessionInfo: scopedSession{identityOf(from.Principal)},
		SourceIdentity: scoped.SourceIdentity, ScopedPoliciesCount: len(scoped.Policies),
	}, nil
}

// scope adds a policy to a session.
func scope(of *session.Session, policies []string) (session.Session, error) {
	if len(of.Policies)+len(policies) > session.MostPolicies {
		return session.Session{}, s3err.AccessDenied.Msg("A session can be narrowed three times, and this one was.")
	}
	scoped, err := of.Again()
	if err != nil {
		return scoped, s3err.AccessDenied.Msg("These keys were made from too many others.").Because(err)
	}
	scoped.Policies = slices.Concat(of.Policies, policies)
	return scoped, nil
}

// given is a session with its keys.
type given struct {
	session session.Session
	keys    session.Keys
	packed  int // percent
}

// result is that of a role's session.
func (g *given) result() roleResult {
	return roleResult{
		Credentials: credentials{g.keys}, AssumedRoleUser: userOf(&g.session),
		PackedPolicySize: g.packed, SourceIdentity: g.session.SourceIdentity,
	}
}

// grant asks for a session and issues it, to somebody who is known.
func (s *Service) grant(ctx context.Context, want *roles.Request) (*given, error) {
	if err := understood(want.Policies); err != nil {
		return nil, err
	}
	granted, err := s.Assume(ctx, want)
	if err != nil {
		return nil, err
	}
	keys, packed, err := s.Issue(granted)
	if err != nil {
		return nil, refusedSession(err)
	}
	return &given{granted, keys, packed}, nil
}

func (s *Service) identify(ctx context.Context, token string) (*identity.Identity, error) {
	id, err := s.Identify(ctx, token)
	if err != nil {
		return nil, refusedToken(err)
	}
	return id, nil
}

// policy is the session policy, which is not read yet.
func (f *fields) policy() []string {
	text := f.text("Policy", policyText)
	if _, given := f.params["Policy"]; !given {
		return nil
	}
	return []string{text}
}

// understood refuses session policies that are not understood completely. To read one takes
// longer than all else, so nobody is asked for it but those who are known.
func understood(policies []string) error {
	for _, text := range policies {
		if _, err := policy.ParseSession([]byte(text)); err != nil {
			return MalformedPolicyDocument.Msg(wording(err)).Because(err)
		}
	}
	return nil
}

// wording is what a client may know of a mistake in its policy: the first one. It quotes
// nothing.
func wording(err error) string {
	var all *policy.MistakesError
	if errors.As(err, &all) && len(all.Mistakes) > 0 {
		return "The policy is not understood: " + all.Mistakes[0].String() + "."
	}
	return MalformedPolicyDocument.Message
}
