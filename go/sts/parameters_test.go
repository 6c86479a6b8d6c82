package sts

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"osp/go/s3err"
)

func TestWhatCannotBeReadIsRefusedByName(t *testing.T) {
	for _, c := range []struct {
		name   string
		values url.Values
		want   *s3err.Error
	}{
		{"no such action", form("AssumeRoleWithSAML"), InvalidAction},
		{"no action", url.Values{"Version": {version}}, MissingAction},
		{"no version", url.Values{"Action": {getCallerIdentity}}, InvalidAction},
		{"another version", url.Values{"Action": {getCallerIdentity}, "Version": {"2010-05-08"}}, InvalidAction},
		{"no role", form(assumeByIdentity, "RoleSessionName", "me", "WebIdentityToken", idToken), MissingParameter},
		{"no name", form(assumeRole, "RoleArn", arn), MissingParameter},
		{"no token", form(assumeByIdentity, "RoleArn", arn, "RoleSessionName", "me"), MissingParameter},
		{"a role that is no ARN", byRole("RoleArn", "the-reader-of-all-things"), ValidationError},
		{"the ARN of a user", byRole("RoleArn", "arn:aws:iam::123456789012:user/reader"), ValidationError},
		{"a line break after the ARN", byRole("RoleArn", arn+"\n"), ValidationError},
		{"a name of one character", byRole("RoleSessionName", "m"), ValidationError},
		{"a name with a slash", byRole("RoleSessionName", "m/e"), ValidationError},
		{"a name that is too long", byRole("RoleSessionName", strings.Repeat("m", 65)), ValidationError},
		{"no time", byRole("DurationSeconds", "0"), ValidationError},
		{"too long a time", byRole("DurationSeconds", "43201"), ValidationError},
		{"too long a time for a token", form(getSessionToken, "DurationSeconds", "43201"), ValidationError},
		{"a time that is no number", byRole("DurationSeconds", "1h"), ValidationError},
		{"a token that is too short", byIdentity("WebIdentityToken", "abc"), ValidationError},
		{"a token that is too long", byIdentity("WebIdentityToken", strings.Repeat("a", 20_001)), ValidationError},
		{"a token that is no text", byIdentity("WebIdentityToken", "abcd\xff"), ValidationError},
		{"a policy that is none", byRole("Policy", "{}"), MalformedPolicyDocument},
		{"a policy that is empty", byRole("Policy", ""), ValidationError},
		{"a policy that takes long to compare", byIdentity("Policy", strings.Replace(reading, `"*"`, `["arn:aws:s3:::*?????????a`+strings.Repeat(`","arn:aws:s3:::*?????????b`, 20)+`"]`, 1)), MalformedPolicyDocument},
		{"a signer's policy that is too long", byRole("Policy", reading+strings.Repeat(" ", 2048)), ValidationError},
		{"a policy that is too long", byIdentity("Policy", reading+strings.Repeat(" ", 2048)), ValidationError},
		{"managed policies", byRole("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/ReadOnlyAccess"), ValidationError},
		{"transitive tags", byRole("TransitiveTagKeys.member.1", "a"), ValidationError},
		{"a provider", byIdentity("ProviderId", "www.amazon.com"), ValidationError},
		{"a second factor", byRole("TokenCode", "123456", "SerialNumber", "123456789"), ValidationError},
		{"a longer token", byRole("MinimumSessionTokenSize", "4096"), ValidationError},
		{"a parameter of another action", byIdentity("ExternalId", "x1"), ValidationError},
		{"tags of another action", form(getSessionToken, "Tags.member.1.Key", "a", "Tags.member.1.Value", "b"), ValidationError},
		{"a tag without a value", byRole("Tags.member.1.Key", "a"), ValidationError},
		{"a tag without a key", byRole("Tags.member.1.Value", "a"), ValidationError},
		{"tags that begin with the second", byRole("Tags.member.2.Key", "a", "Tags.member.2.Value", "b"), ValidationError},
		{"a tag twice", byRole("Tags.member.1.Key", "a", "Tags.member.1.Value", "b", "Tags.member.2.Key", "A", "Tags.member.2.Value", "b"), ValidationError},
		{"a tag of AWS's", byRole("Tags.member.1.Key", "aws:a", "Tags.member.1.Value", "b"), ValidationError},
		{"a tag with another character", byRole("Tags.member.1.Key", "a*", "Tags.member.1.Value", "b"), ValidationError},
		{"tags in another form", byRole("Tags.entry.1.Key", "a"), ValidationError},
	} {
		d := newDesk()
		_, err := d.ask(c.values, plain())
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want.Code)
		}
		if d.asked != nil {
			t.Errorf("%s: asked %+v", c.name, d.asked)
		}
		if err != nil && strings.Contains(err.Error(), idToken) {
			t.Errorf("%s: the error quotes the token: %v", c.name, err)
		}
	}
}

// To read a policy takes longer than all else: whoever is not known has none read.
func TestAPolicyIsReadForThoseWhoAreKnown(t *testing.T) {
	d := newDesk()
	for token, want := range map[string]*s3err.Error{idToken: MalformedPolicyDocument, "of nobody": InvalidIdentityToken} {
		if _, err := d.ask(byIdentity("WebIdentityToken", token, "Policy", "{}"), plain()); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %s", token, err, want.Code)
		}
	}
}

func TestParametersComeFromOnePlace(t *testing.T) {
	ask := byIdentity().Encode()
	for _, c := range []struct {
		name, method, query, body string
		want                      *s3err.Error
	}{
		{"the body", "POST", "", ask, nil},
		{"the query", "POST", ask, "", nil},
		{"the body, with a signature in the query", "POST", "X-Amz-Signature=0&X-Amz-Algorithm=x", ask, nil},
		{"both", "POST", ask, ask, ValidationError},
		{"the query, beside any body", "POST", ask, "a", ValidationError},
		{"the body, but for one", "POST", "DurationSeconds=900", ask, ValidationError},
		{"one twice", "POST", "", ask + "&RoleArn=" + arn, ValidationError},
		{"a bad escape", "POST", "", ask + "&x=%zz", MalformedQueryString},
		{"too many", "POST", "", ask + strings.Repeat("&", maxParameters), ValidationError},
		{"nowhere", "POST", "", "", MissingAction},
		{"a GET", "GET", ask, "", InvalidAction},
		{"a GET for a link", "GET", form(getCallerIdentity).Encode(), "", nil},
	} {
		if _, err := Read(c.method, c.query, []byte(c.body)); c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestNobodyGetsASignedActionUnsigned(t *testing.T) {
	for name := range actions {
		_, err := newDesk().ask(form(name), Caller{})
		if wants := name != assumeByIdentity; errors.Is(err, MissingAuthenticationToken) != wants {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyRequestsOfTheServiceItselfAreSTSs(t *testing.T) {
	formType := "application/x-www-form-urlencoded; charset=utf-8"
	for _, c := range []struct {
		method, target, mediaType string
		want                      bool
	}{
		{"POST", "/", formType, true},
		{"POST", "/", "Application/X-WWW-Form-Urlencoded", true},
		{"POST", "/?Action=AssumeRole&Version=1", "", true},
		{"POST", "/?Version=1&Action=AssumeRole", "", true},
		{"GET", "/?X-Amz-Date=1&Action=GetCallerIdentity", "", true},
		{"POST", "/", "", false},
		{"POST", "/", "multipart/form-data; boundary=x", false},
		{"POST", "/photos", formType, false},
		{"POST", "//", formType, false},
		{"POST", "/photos?Action=AssumeRole", "", false},
		{"POST", "/?delete", "application/xml", false},
		{"PUT", "/?Action=AssumeRole", formType, false},
		{"GET", "/", formType, false},
		{"GET", "/?prefix=Action=", "", false},
		{"POST", "*", formType, false},
	} {
		r := &http.Request{Method: c.method, RequestURI: c.target, Header: http.Header{"Content-Type": {c.mediaType}}}
		if got := Speaks(r); got != c.want {
			t.Errorf("%s %s %s: %v", c.method, c.target, c.mediaType, got)
		}
	}
	for target, want := range map[string]bool{"/-/credentials": true, "/-/credentials?role=a": true, "/-/credentials2": false, "/-/credentials/": false, "/a/-/credentials": false} {
		if got := Contains(&http.Request{Method: "GET", RequestURI: target}); got != want {
			t.Errorf("%s: %v", target, got)
		}
	}
}
