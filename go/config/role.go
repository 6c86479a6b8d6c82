package config

import (
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"osp/go/secret"
	"osp/go/stores"
	"osp/go/wire"
)

// What a role means where the entry says nothing.
const (
	defaultSession      = "object-storage-proxy"
	defaultRoleDuration = time.Hour
)

// The limits are those of STS
// (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html).
const (
	longestARN        = 2048
	longestExternalID = 1224
	shortestRole      = 15 * time.Minute
	longestRole       = 12 * time.Hour
)

var (
	sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	externalID  = regexp.MustCompile(`^[\w+=,.@:/-]{2,}$`)
)

// readRole reads the role that the entry assumes, if there is one. The key pair is the
// role's then, and never signs for the store.
func (b entry) readRole(d *dict) {
	arn := d.take("assume_role_arn")
	session, external := d.take("role_session_name"), d.take("external_id")
	endpoint, token, duration := d.take("sts_endpoint"), d.take("web_identity_token_file"), d.take("assume_role_duration")
	if arn == nil {
		for _, v := range []*value{session, external, endpoint, token, duration} {
			if v != nil {
				v.reject("needs assume_role_arn")
			}
		}
		return
	}
	r := stores.Role{
		SessionName: defaultSession, Duration: defaultRoleDuration,
		Endpoint: b.TokenService(), Region: b.Region, Transport: b.Transport,
		AccessKey: b.AccessKey, SecretKey: b.SecretKey,
	}
	b.checkProof(arn, token, external)
	if s, ok := arn.str(); ok {
		if r.ARN = s; !isARN(s) {
			arn.reject("must be the ARN of a role, which begins with arn:")
		}
	}
	if s, ok := session.str(); ok {
		if r.SessionName = s; !sessionName.MatchString(s) {
			session.reject("must have 2 to 64 letters, digits and _+=,.@-")
		}
	}
	if s, ok := external.str(); ok {
		if r.ExternalID = s; !externalID.MatchString(s) || len(s) > longestExternalID {
			external.reject("must have 2 to 1224 letters, digits and _+=,.@:/-")
		}
	}
	if u := readURL(endpoint); u != nil {
		if r.Endpoint = u.String(); b.TLS && u.Scheme != "https" {
			endpoint.reject("must begin with https://, as the store is reached by TLS")
		}
	}
	r.TokenFile = readTokenFile(token)
	if t, ok := duration.seconds(shortestRole, longestRole); ok {
		r.Duration = t.Truncate(time.Second)
	}
	b.Role = r.Handle()
	b.AccessKey, b.SecretKey = "", secret.Value{}
}

// checkProof checks that there is exactly one thing with which to assume the role.
func (b entry) checkProof(arn, token, external *value) {
	switch {
	case !b.APIKey.Empty():
		arn.reject("can't be given with api_key, which is for IBM")
	case token == nil && b.AccessKey == "":
		arn.reject("needs web_identity_token_file, or access_key and secret_key, to assume the role with")
	case token != nil && b.AccessKey != "":
		token.reject("can't be given with access_key: a role is assumed with one of them")
	case token != nil && external != nil:
		external.reject("can't be given with web_identity_token_file: it goes with access_key")
	}
}

func isARN(s string) bool {
	return strings.HasPrefix(s, "arn:") && len(s) <= longestARN && !strings.ContainsFunc(s, wire.NotVisible)
}

// readTokenFile returns the absolute path of a file that is read when a role is
// assumed, and need not be there yet.
func readTokenFile(v *value) string {
	name, ok := v.str()
	if !ok {
		return ""
	}
	path, err := filepath.Abs(name)
	if err != nil || strings.ContainsRune(name, 0) {
		v.reject("must be the path of a file")
	}
	return path
}
