package policy

import (
	"errors"
	"fmt"
	"testing"

	"osp/go/session"
)

func inSession() *session.Session {
	return &session.Session{
		Role: "analyst", Name: "laptop", Token: "alice", Issuer: "https://issuer.example", Subject: "a1", SourceIdentity: "alice@example.com",
		Claims: map[string][]string{"groups": {"staff", "data"}, "team": {"blue"}, "none": {}}, Tags: map[string]string{"project": "apollo"},
	}
}

func TestAStatementIsAboutSessions(t *testing.T) {
	for principal, want := range map[string]bool{
		`"*"`:                       true,
		`{"Token": "alice"}`:        true,
		`{"Token": "ASIA*"}`:        false,
		`{"Role": "anal*"}`:         true,
		`{"Role": ["a", "b"]}`:      false,
		`{"Group": "data"}`:         true,
		`{"Group": "dat"}`:          false,
		`{"Claim": {"team": "b*"}}`: true,
		`{"Claim": {"team": "red", "groups": ["x", "staff"]}}`:             true,
		`{"Claim": {"iss": "https://issuer.example"}}`:                     true,
		`{"Claim": {"sub": "a2"}}`:                                         false,
		`{"Claim": {"none": "*", "Team": "*"}}`:                            false,
		`{"Token": "bob", "Role": "x", "Group": "y", "Claim": {"z": "*"}}`: false,
	} {
		p, err := Parse([]byte(fmt.Sprintf(`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": %s, "Action": "s3:*", "Resource": "*"}}`, principal)))
		if err != nil {
			t.Fatal(principal, err)
		}
		q := ask(t, "s3:GetObject b/k token=alice")
		q.Session = inSession()
		if got := p.Decide(q).Effect == Allow; got != want {
			t.Errorf("%s: %v", principal, got)
		}
		q.Session, q.Token = nil, "analyst"
		if p.Decide(q).Effect == Allow && principal != `"*"` {
			t.Errorf("%s is about a plain key, too", principal)
		}
	}
}

func TestConditionsLookAtSessions(t *testing.T) {
	for condition, want := range map[string]bool{
		`"StringEquals": {"aws:userid": "analyst:laptop", "aws:username": "alice"}`:              true,
		`"StringEquals": {"aws:SourceIdentity": "alice@example.com"}`:                            true,
		`"StringEquals": {"aws:PrincipalTag/project": "apollo"}`:                                 true,
		`"StringEquals": {"AWS:principaltag/project": "apollo"}`:                                 true,
		`"StringEquals": {"aws:PrincipalTag/Project": "apollo"}`:                                 false,
		`"StringNotEquals": {"aws:PrincipalTag/other": "apollo"}`:                                true,
		`"Null": {"aws:PrincipalTag/other": "true", "jwt:other": "true", "jwt:groups": "false"}`: true,
		`"StringEquals": {"jwt:sub": "a1", "jwt:iss": "https://issuer.example"}`:                 true,
		`"StringEquals": {"jwt:groups": "data"}`:                                                 true,
		`"StringNotEquals": {"jwt:groups": "data"}`:                                              false,
		`"StringNotEquals": {"jwt:groups": "other"}`:                                             true,
		`"ForAnyValue:StringLike": {"jwt:groups": ["x", "da*"]}`:                                 true,
		`"ForAllValues:StringLike": {"jwt:groups": ["x", "da*"]}`:                                false,
		`"ForAllValues:StringLike": {"jwt:groups": ["staff", "da*"]}`:                            true,
		`"ForAllValues:StringEquals": {"jwt:other": "x"}`:                                        true,
		`"ForAnyValue:StringEquals": {"jwt:other": "x"}`:                                         false,
		`"ForAnyValue:StringNotEquals": {"jwt:groups": "data"}`:                                  true,
		`"ForAllValues:StringNotEquals": {"jwt:groups": "data"}`:                                 false,
		`"StringEqualsIgnoreCase": {"jwt:team": "BLUE", "aws:username": "${JWT:sub}"}`:           false,
		`"StringEqualsIgnoreCase": {"jwt:sub": "A1", "aws:PrincipalTag/project": "APOLLO"}`:      true,
		`"StringEquals": {"s3:prefix": "${aws:PrincipalTag/project}/${jwt:sub}"}`:                true,
		`"StringEquals": {"s3:prefix": "${jwt:groups, 'apollo'}/a1"}`:                            true,
		`"StringEquals": {"s3:prefix": "${jwt:groups}/a1"}`:                                      false,
	} {
		p, err := Parse([]byte(fmt.Sprintf(`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*", "Condition": {%s}}}`, condition)))
		if err != nil {
			t.Fatal(condition, err)
		}
		q := ask(t, "s3:ListBucket b token=alice prefix=apollo/a1")
		q.Session = inSession()
		if got := p.Decide(q).Effect == Allow; got != want {
			t.Errorf("%s: %v", condition, got)
		}
	}
}

func TestAPolicyThatIsAttachedNamesNoPrincipal(t *testing.T) {
	const plain = `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", %s"Action": "s3:GetObject", "Resource": "*"}}`
	p, err := ParseIdentity([]byte(fmt.Sprintf(plain, "")))
	if err != nil || p.Decide(ask(t, "s3:GetObject b/k")).Effect != Allow || p.Decide(ask(t, "s3:PutObject b/k")).Effect != None {
		t.Error(err)
	}
	var mistakes *MistakesError
	if _, err := ParseIdentity([]byte(fmt.Sprintf(plain, `"Principal": "*", `))); !errors.As(err, &mistakes) || mistakes.Mistakes[0].Path != "Statement.Principal" {
		t.Errorf("with a principal: %v", err)
	}
	if _, err := Parse([]byte(fmt.Sprintf(plain, ""))); !errors.As(err, &mistakes) || mistakes.Mistakes[0].Path != "Statement.Principal" {
		t.Errorf("without one: %v", err)
	}
}
