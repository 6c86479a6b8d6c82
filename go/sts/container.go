package sts

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"osp/go/roles"
)

// ContainerPath is where SDKs get keys by AWS_CONTAINER_CREDENTIALS_FULL_URI. No bucket
// of S3 has the name "-".
const ContainerPath = "/-/credentials"

// ContainerAction is the name of that for logs and metrics.
const ContainerAction = "ContainerCredentials"

// Contains reports whether a request is one for container credentials, where its host
// names no bucket.
func Contains(r *http.Request) bool {
	rest, found := strings.CutPrefix(r.RequestURI, ContainerPath)
	return found && r.Method == http.MethodGet && (rest == "" || rest[0] == '?')
}

// Container answers a request for container credentials. The token is in Authorization, as
// it is in the file that the SDK has read. The body that it returns holds secrets. Its
// errors are *s3err.Error values, or ctx's own.
func (s *Service) Container(ctx context.Context, rawQuery string, authorization []string, clientIP string) ([]byte, error) {
	params, err := parse(rawQuery)
	if err != nil {
		return nil, err
	}
	role, named := params["role"]
	switch {
	case !named || role == "":
		return nil, MissingParameter.Msg("The query must name a role: ?role=name.")
	case len(params) > 1:
		return nil, ValidationError.Msg("The query must name a role and nothing else.")
	case !roleARN.fits(arnOf(role)):
		return nil, ValidationError.Msg("The parameter role must be the name of a role: letters, digits and any of _+=,.@/-.")
	case len(authorization) != 1:
		return nil, MissingAuthenticationToken.Msg("Authorization must be an identity token.")
	case !webToken.fits(authorization[0]):
		return nil, InvalidIdentityToken
	}
	since := s.Now()
	id, err := s.identify(ctx, trim(authorization[0]))
	if err != nil {
		return nil, err
	}
	granted, err := s.grant(ctx, &roles.Request{
		Action: assumeByIdentity, Role: role, SessionName: nameFor(id.Subject), Identity: id, ClientIP: clientIP, Since: since,
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(credentials{granted.keys})
}

// nameFor makes the name of a session of a subject's: the protocol has none.
func nameFor(subject string) string {
	name := strings.Map(func(c rune) rune {
		if c < 0x80 && sessionName.form.MatchString(string(c)) {
			return c
		}
		return '-'
	}, subject)
	for len(name) < sessionName.least {
		name += "-"
	}
	return name[:min(len(name), sessionName.most)]
}
