package sts

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"osp/go/access"
	"osp/go/identity"
	"osp/go/roles"
	"osp/go/s3err"
	"osp/go/seal"
	"osp/go/session"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	arn     = "arn:aws:iam::123456789012:role/reader"
	idToken = "eyJ.identity.token"
	reading = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
)

// desk is a Service whose roles are generous, and what it asked them.
type desk struct {
	*Service
	issuer *session.Issuer
	asked  *roles.Request
	err    error // of whoever is asked
}

func newDesk() *desk {
	now := func() time.Time { return noon }
	d := &desk{issuer: session.New(seal.RandomKeyring(), now)}
	d.Service = New(Options{Identify: d.identify, Assume: d.assume, Issue: d.issuer.Issue, Now: now})
	return d
}

func (d *desk) identify(_ context.Context, token string) (*identity.Identity, error) {
	if d.err != nil {
		return nil, d.err
	}
	if token != idToken {
		return nil, fmt.Errorf("%w: it is another one", identity.ErrInvalid)
	}
	return &identity.Identity{Issuer: "https://issuer.example", Subject: "system:serviceaccount:a:b", Audiences: []string{"other", "proxy"}, Audience: "proxy"}, nil
}

func (d *desk) assume(_ context.Context, r *roles.Request) (session.Session, error) {
	d.asked = r
	if d.err != nil {
		return session.Session{}, d.err
	}
	if r.Duration == 0 {
		r.Duration = time.Hour
	}
	s := session.Session{Role: r.Role, Name: r.SessionName, Token: "somebody", SourceIdentity: r.SourceIdentity, Tags: r.Tags,
		Policies: r.Policies, Expires: noon.Add(r.Duration)}
	return s, nil
}

// form makes the parameters of an action.
func form(action string, more ...string) url.Values {
	v := url.Values{"Action": {action}, "Version": {version}}
	for i := 0; i < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return v
}

func byIdentity(more ...string) url.Values {
	v := form(assumeByIdentity, "RoleArn", arn, "RoleSessionName", "me", "WebIdentityToken", idToken)
	for i := 0; i < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return v
}

func byRole(more ...string) url.Values {
	v := form(assumeRole, "RoleArn", arn, "RoleSessionName", "me")
	for i := 0; i < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return v
}

func plain() Caller {
	return Caller{Principal: &access.Principal{AccessKey: "alice"}, ClientIP: "192.0.2.1"}
}

func inSession(policies ...string) Caller {
	return Caller{Principal: &access.Principal{AccessKey: "ASIAX", Session: &session.Session{
		Role: "reader", Name: "me", Token: "somebody", SourceIdentity: "origin", Policies: policies,
		AccessKey: "ASIAX", From: []string{"ASIAFIRST"}, Caller: "ci", Since: noon.Add(-time.Minute), Expires: noon.Add(time.Hour)}}}
}

func (d *desk) ask(v url.Values, from Caller) (*Response, error) {
	r, err := Read(http.MethodPost, "", []byte(v.Encode()))
	if err != nil {
		return nil, err
	}
	return d.Answer(context.Background(), r, from)
}

// answer is what a client reads of a response.
type answer struct {
	XMLName xml.Name
	Result  struct {
		XMLName     xml.Name
		Credentials struct {
			AccessKeyID     string `xml:"AccessKeyId"`
			SecretAccessKey string
			SessionToken    string
			Expiration      time.Time
		}
		User struct {
			ID  string `xml:"AssumedRoleId"`
			Arn string
		} `xml:"AssumedRoleUser"`
		Info struct {
			ID  string `xml:"ScopedSessionId"`
			Arn string
		} `xml:"SessionInfo"`
		Subject             string `xml:"SubjectFromWebIdentityToken"`
		Provider, Audience  string
		SourceIdentity      string
		PackedPolicySize    int
		ScopedPoliciesCount int
		Arn                 string
		UserID              string `xml:"UserId"`
		Account             string
	} `xml:",any"`
	RequestID string `xml:"ResponseMetadata>RequestId"`
}

func read(t *testing.T, r *Response) answer {
	t.Helper()
	var a answer
	if err := xml.Unmarshal(r.XML("id-1"), &a); err != nil {
		t.Fatal(err)
	}
	if a.RequestID != "id-1" || a.XMLName.Space != namespace || a.XMLName.Local != r.action+"Response" || a.Result.XMLName.Local != r.action+"Result" {
		t.Errorf("%s: %s", r.action, r.XML("id-1"))
	}
	return a
}

func TestAnIdentityTokenBecomesKeys(t *testing.T) {
	d := newDesk()
	r, err := d.ask(byIdentity("WebIdentityToken", idToken+"\n", "DurationSeconds", "901", "Policy", reading), Caller{ClientIP: "192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	if d.asked.Role != "reader" || d.asked.SessionName != "me" || d.asked.Duration != 901*time.Second || d.asked.Identity == nil ||
		d.asked.ClientIP != "192.0.2.1" || d.asked.Caller != nil || len(d.asked.Policies) != 1 {
		t.Errorf("asked: %+v", d.asked)
	}
	got := read(t, r).Result
	if got.Subject != "system:serviceaccount:a:b" || got.Provider != "https://issuer.example" || got.Audience != "proxy" || got.PackedPolicySize < 1 {
		t.Errorf("got %+v", got)
	}
	if got.User.Arn != "arn:aws:sts::000000000000:assumed-role/reader/me" || got.User.ID != roleID("reader")+":me" || len(roleID("reader")) != 21 {
		t.Errorf("user: %+v", got.User)
	}
	if !got.Credentials.Expiration.Equal(noon.Add(901 * time.Second)) {
		t.Errorf("they expire at %s", got.Credentials.Expiration)
	}
	s, key, err := d.issuer.Open(got.Credentials.AccessKeyID, got.Credentials.SessionToken)
	if err != nil || key.Reveal() != got.Credentials.SecretAccessKey || s.Role != "reader" || s.Policies[0] != reading {
		t.Errorf("the keys open %+v: %v", s, err)
	}
}

func TestASignedCallerGetsARole(t *testing.T) {
	d := newDesk()
	r, err := d.ask(byRole("ExternalId", "x/1", "SourceIdentity", "origin", "Tags.member.1.Key", "team", "Tags.member.1.Value", "a b",
		"Tags.member.2.Key", "cost", "Tags.member.2.Value", ""), plain())
	if err != nil {
		t.Fatal(err)
	}
	if d.asked.ExternalID != "x/1" || d.asked.Caller.AccessKey != "alice" || len(d.asked.Tags) != 2 || d.asked.Tags["team"] != "a b" || d.asked.Identity != nil {
		t.Errorf("asked: %+v", d.asked)
	}
	if got := read(t, r).Result; got.SourceIdentity != "origin" || got.Provider != "" {
		t.Errorf("got %+v", got)
	}
}

func TestASessionTokenIsForLongLivedKeysOnly(t *testing.T) {
	d := newDesk()
	r, err := d.ask(form(getSessionToken, "DurationSeconds", "43200"), plain())
	if err != nil {
		t.Fatal(err)
	}
	if read(t, r).Result.Credentials.SessionToken == "" || d.asked.Role != "" || d.asked.Action != getSessionToken {
		t.Errorf("asked: %+v", d.asked)
	}
	if _, err := d.ask(form(getSessionToken), inSession()); !errors.Is(err, s3err.AccessDenied) {
		t.Errorf("a session got %v", err)
	}
	d.asked = nil
	borrowed := plain()
	borrowed.Principal.Temporary = true // a key of hmac_fetcher's that ends
	if _, err := d.ask(form(getSessionToken), borrowed); !errors.Is(err, s3err.AccessDenied) || d.asked != nil {
		t.Errorf("a temporary key got %v", err)
	}
}

func TestWhoHasSigned(t *testing.T) {
	long := strings.Repeat("j", 40)
	for name, c := range map[string]struct {
		from    Caller
		arn, id string
	}{
		"a plain key":              {plain(), "arn:aws:iam::000000000000:user/alice", "alice"},
		"a key that is a token":    {Caller{Principal: &access.Principal{AccessKey: long}}, "arn:aws:iam::000000000000:user/jjjj...sha256:", "jjjj...sha256:"},
		"a session of a role":      {inSession(), "arn:aws:sts::000000000000:assumed-role/reader/me", roleID("reader") + ":me"},
		"a session without a role": {Caller{Principal: &access.Principal{AccessKey: "ASIAX", Session: &session.Session{Token: "bob"}}}, "arn:aws:iam::000000000000:user/bob", "bob"},
	} {
		r, err := newDesk().ask(form(getCallerIdentity), c.from)
		if err != nil {
			t.Fatal(err)
		}
		got := read(t, r).Result
		if !strings.HasPrefix(got.Arn, c.arn) || !strings.HasPrefix(got.UserID, c.id) || got.Account != account || strings.Contains(got.Arn, long) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestASessionNarrowsItself(t *testing.T) {
	d := newDesk()
	for _, c := range []struct {
		name    string
		from    Caller
		more    []string
		want    *s3err.Error
		expires time.Time
	}{
		{"by a policy", inSession(reading), []string{"Policy", reading}, nil, noon.Add(time.Hour)},
		{"in time", inSession(), []string{"DurationSeconds", "1"}, nil, noon.Add(time.Second)},
		{"in both", inSession(), []string{"DurationSeconds", "3600", "Policy", reading, "ScopedSessionDescription", "a test"}, nil, noon.Add(time.Hour)},
		{"in nothing", inSession(), nil, MissingParameter, noon},
		{"to a longer time", inSession(), []string{"DurationSeconds", "3601"}, InsufficientLifetime, noon},
		{"a fourth time", inSession(reading, reading, reading), []string{"Policy", reading}, s3err.AccessDenied, noon},
		{"in time after three policies", inSession(reading, reading, reading), []string{"DurationSeconds", "9"}, nil, noon.Add(9 * time.Second)},
		{"without a session", plain(), []string{"Policy", reading}, InvalidSubjectCredentials, noon},
	} {
		r, err := d.ask(form(getScopedCredentials, c.more...), c.from)
		if c.want != nil {
			if !errors.Is(err, c.want) {
				t.Errorf("%s: got %v, want %s", c.name, err, c.want.Code)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		got := read(t, r).Result
		s, _, err := d.issuer.Open(got.Credentials.AccessKeyID, got.Credentials.SessionToken)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if s.Token != "somebody" || s.Role != "reader" || got.SourceIdentity != "origin" || !s.Expires.Equal(c.expires) ||
			got.ScopedPoliciesCount != len(s.Policies) || len(s.Policies) < len(c.from.Principal.Session.Policies) || got.Info.ID != roleID("reader")+":me" {
			t.Errorf("%s: %+v, %+v", c.name, got, s)
		}
		if !slices.Equal(s.From, []string{"ASIAFIRST", "ASIAX"}) || s.Caller != "ci" || !s.Since.Equal(noon.Add(-time.Minute)) {
			t.Errorf("%s: what ends the session that was narrowed does not end %+v", c.name, s)
		}
	}
	if d.asked != nil {
		t.Errorf("asked: %+v", d.asked)
	}
}

func TestWhatOthersSayHasSTSsOwnCode(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		code string
	}{
		"an invalid token":     {fmt.Errorf("%w: x", identity.ErrInvalid), "InvalidIdentityToken"},
		"an expired token":     {identity.ErrExpired, "ExpiredTokenException"},
		"a refused claim":      {identity.ErrRejected, "IDPRejectedClaim"},
		"an issuer that's out": {identity.ErrAway, "IDPCommunicationError"},
		"an issuer that waits": {context.DeadlineExceeded, "IDPCommunicationError"},
		"a refusal":            {s3err.AccessDenied, "AccessDenied"},
		"an overload":          {s3err.SlowDown, "Throttling"},
		"an accident":          {errors.New("x"), "InternalFailure"},
	} {
		d := newDesk()
		d.err = c.err
		_, err := d.ask(byIdentity(), Caller{})
		if e := Translate(s3err.From(err)); e.Code != c.code {
			t.Errorf("%s: %v", name, e)
		}
	}
	var tags []string
	for i := range maxTags {
		member := fmt.Sprintf("Tags.member.%d.", i+1)
		tags = append(tags, member+"Key", fmt.Sprint("tag-", i), member+"Value", strings.Repeat("x", 256))
	}
	if _, err := newDesk().ask(byRole(tags...), plain()); !errors.Is(err, PackedPolicyTooLarge) {
		t.Errorf("the longest tags: %v", err)
	}
}

func TestContainersGetKeysForATokenInAHeader(t *testing.T) {
	d := newDesk()
	body, err := d.Container(context.Background(), "role=reader", []string{idToken + "\n"}, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(body, &got); err != nil || len(got) != 4 || got["Expiration"] != "2026-03-01T13:00:00Z" {
		t.Errorf("%s: %v", body, err)
	}
	if s, key, err := d.issuer.Open(got["AccessKeyId"], got["Token"]); err != nil || key.Reveal() != got["SecretAccessKey"] || s.Name != "system-serviceaccount-a-b" {
		t.Errorf("%+v: %v", s, err)
	}
	for name, c := range map[string]struct {
		query  string
		header []string
		want   *s3err.Error
	}{
		"no role":         {"", []string{idToken}, MissingParameter},
		"something else":  {"role=a&policy=b", []string{idToken}, ValidationError},
		"no name of one":  {"role=a%0Ab", []string{idToken}, ValidationError},
		"no text":         {"role=%ff", []string{idToken}, ValidationError},
		"a star":          {"role=*", []string{idToken}, ValidationError},
		"no token":        {"role=reader", nil, MissingAuthenticationToken},
		"two tokens":      {"role=reader", []string{idToken, idToken}, MissingAuthenticationToken},
		"a signature":     {"role=reader", []string{"AWS4-HMAC-SHA256 Credential=x"}, InvalidIdentityToken},
		"too much":        {"role=reader", []string{strings.Repeat("a", 20_001)}, InvalidIdentityToken},
		"an unknown form": {"role=%zz", []string{idToken}, MalformedQueryString},
	} {
		if _, err := d.Container(context.Background(), c.query, c.header, ""); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want.Code)
		}
	}
}

func TestNamesOfSessionsAreMadeOfSubjects(t *testing.T) {
	for subject, want := range map[string]string{
		"alice@example.com": "alice@example.com", "": "--", "a": "a-", "ä b/c": "--b-c", strings.Repeat("x", 99): strings.Repeat("x", 64),
	} {
		if got := nameFor(subject); got != want || !sessionName.fits(got) {
			t.Errorf("%q: %q", subject, got)
		}
	}
}

func TestErrorsHaveTheFormOfTheirProtocol(t *testing.T) {
	e := Translate(s3err.InternalError.Because(errors.New("a secret")).With("Detail", "x"))
	got := string(ErrorXML(e, "id-1"))
	for _, part := range []string{`<ErrorResponse xmlns="` + namespace + `"><Error><Type>Receiver</Type><Code>InternalFailure</Code><Message>`, `<RequestId>id-1</RequestId></ErrorResponse>`} {
		if !strings.Contains(got, part) {
			t.Errorf("%s lacks %s", got, part)
		}
	}
	if strings.Contains(got, "secret") || !strings.Contains(string(ErrorXML(ValidationError, "")), "<Type>Sender</Type>") {
		t.Error(got)
	}
	if got := string(ErrorJSON(e, "id-1")); !strings.HasPrefix(got, `{"code":"InternalFailure","message":"We enc`) {
		t.Error(got)
	}
}
