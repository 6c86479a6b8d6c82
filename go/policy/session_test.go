package policy

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
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

func TestAPolicyOfASessionIsCheapToCompare(t *testing.T) {
	list := func(n int, pattern string) string {
		return strings.TrimSuffix(strings.Repeat(`"`+pattern+`", `, n), ", ")
	}
	const everywhere = "arn:aws:s3:::b/*"
	for name, c := range map[string]struct {
		resources, values string
		fits              bool
	}{
		"many folders":              {list(maxSessionPatterns, "arn:aws:s3:::b/folder/*"), "", true},
		"too many folders":          {list(maxSessionPatterns+1, "arn:aws:s3:::b/folder/*"), "", false},
		"some kinds of files":       {list(maxSessionPatterns/2, "arn:aws:s3:::b/*/*.csv"), "", true},
		"much after a star":         {list(maxSessionEffort/8/4, "arn:aws:s3:::*???????b"), "", true},
		"too much after a star":     {list(maxSessionEffort/8/4+1, "arn:aws:s3:::*???????b"), "", false},
		"few variables after stars": {`"*"`, list(maxSessionEffort/8, "*${aws:userid}"), true},
		"many of them":              {`"*"`, list(maxSessionEffort/8+1, "*${aws:userid}"), false},
		"variables":                 {list(1, everywhere), list((maxSessionPatterns-1)/2, "${aws:userid}"), true},
		"too many variables":        {list(1, everywhere), list((maxSessionPatterns-1)/2+1, "${aws:userid}"), false},
		"variables of a folder":     {list(1, "arn:aws:s3:::b/"+strings.Repeat("${aws:userid}", maxSessionPatterns-1)), "", true},
		"too many of a folder":      {list(1, "arn:aws:s3:::b/"+strings.Repeat("${aws:userid}", maxSessionPatterns)), "", false},
		"folders of many buckets":   {list(maxSessionPatterns/2, everywhere), list(maxSessionPatterns/2, "x"), true},
		"much memory":               {list(3, "arn:aws:s3:::"+strings.Repeat("?", 250)), "", true},
		"too much memory":           {list(5, "arn:aws:s3:::"+strings.Repeat("?", 250)), "", false},
	} {
		condition := ""
		if c.values != "" {
			condition = `, "Condition": {"StringLike": {"s3:prefix": [` + c.values + `]}}`
		}
		document := []byte(fmt.Sprintf(`{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "s3:ListBucket", "Resource": [%s]%s}}`, c.resources, condition))
		if _, err := ParseSession(document); (err == nil) != c.fits {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := ParseIdentity(document); err != nil {
			t.Errorf("%s, of a role: %v", name, err)
		}
	}
}

func TestWhatIsLongToCompareCountsForMore(t *testing.T) {
	for condition, most := range map[string]int{
		`{"StringLike": {"s3:prefix": [%s]}}|x`:                         maxSessionPatterns - 1,
		`{"StringEqualsIgnoreCase": {"s3:prefix": [%s]}}|x`:             maxSessionPatterns - 1,
		`{"StringEqualsIgnoreCase": {"s3:prefix": [%s]}}|${aws:userid}`: (maxSessionPatterns - 1) / 9,
		`{"StringEquals": {"jwt:groups": [%s]}}|x`:                      (maxSessionPatterns - 1) / 8,
		`{"ForAllValues:StringNotLike": {"jwt:groups": [%s]}}|x`:        (maxSessionPatterns - 1) / 8,
		`{"StringEqualsIgnoreCase": {"jwt:groups": [%s]}}|${jwt:c}`:     (maxSessionPatterns - 1) / 72,
	} {
		form, value, _ := strings.Cut(condition, "|")
		for n, fits := range map[int]bool{most: true, most + 1: false} {
			values := strings.TrimSuffix(strings.Repeat(`"`+value+`", `, n), ", ")
			document := []byte(`{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "*", "Condition": ` + fmt.Sprintf(form, values) + `}}`)
			if _, err := ParseSession(document); (err == nil) != fits {
				t.Errorf("%d times %s: %v", n, condition, err)
			}
		}
	}
}

// counting counts how many times it is asked for a parameter.
type counting struct{ asked *int }

func (c counting) Param(string) (string, bool) { *c.asked++; return "", false }
func (c counting) Field(string) (string, bool) { return "", false }

func TestConditionsAreLookedAtOnce(t *testing.T) {
	const statement = `{"Effect": "%s", "Action": "*", "Resource": ["*", "arn:aws:s3:::b*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/k", "arn:aws:s3:::*k", "arn:aws:s3:::b/?"], "Condition": {"StringEquals": {"s3:prefix": "x"}}}`
	var statements []string
	for range mostNoted / 2 {
		statements = append(statements, fmt.Sprintf(statement, "Deny"), fmt.Sprintf(statement, "Allow"))
	}
	p, err := ParseIdentity([]byte(`{"Version": "2012-10-17", "Statement": [` + strings.Join(statements, ", ") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	q, asked := ask(t, "s3:GetObject b/k"), 0
	q.Request = counting{&asked}
	if got := p.Decide(q).Effect; got != None || asked != len(statements) {
		t.Errorf("%s: %d statements were looked at %d times", got, len(statements), asked)
	}
}

func TestALongDocumentThatIsNoneIsRefused(t *testing.T) {
	for _, text := range []string{strings.Repeat("x", maxSessionSize), `{"a": 1, "a": "` + strings.Repeat("x", maxSessionSize) + `"}`, "\xff" + strings.Repeat("x", maxSessionSize)} {
		if _, err := ParseSession([]byte(text)); err == nil {
			t.Errorf("%.20q is a policy", text)
		}
	}
}

// Names of actions are compared with each other once, when a policy is read.
func TestAPolicyOfASessionIsCheapToRead(t *testing.T) {
	document := func(actions []string) []byte {
		return []byte(`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Resource": "*", "Action": ["` + strings.Join(actions, `", "`) + `"]}}`)
	}
	var different []string // that each fit something
	for _, name := range lowered {
		for at := range len(name) {
			different = append(different, name[:at]+"*")
		}
	}
	slices.Sort(different)
	different = slices.Compact(different)
	all := 1 // pattern of a resource
	for name, c := range map[string]struct {
		actions []string
		fits    bool
	}{
		"names":             {slices.Repeat([]string{"s3:GetObject"}, 2*maxSessionPatterns), true},
		"one with a star":   {slices.Repeat([]string{"s3:Get*"}, 2*maxSessionPatterns), true},
		"many with a star":  {different[:maxSessionPatterns-all], true},
		"one more of these": {different[:maxSessionPatterns-all+1], false},
		"long to compare":   {[]string{"*?????????ct", "*????????ct", "*???????ct"}, true},
		"too long":          {[]string{"*?????????ct", "*????????ct", "*???????ct", "*??????ct"}, false},
	} {
		_, err := ParseSession(document(c.actions))
		if (err == nil) != c.fits {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := ParseIdentity(document(c.actions)); err != nil {
			t.Errorf("%s, of a role: %v", name, err)
		}
	}
}

func TestAPolicyKnowsItsSize(t *testing.T) {
	for name, resource := range map[string]string{
		"short": "*", "folders": "arn:aws:s3:::bucket/folder/*", "wildcards": "arn:aws:s3:::b" + strings.Repeat("?*", 30), "characters": "arn:aws:s3:::" + strings.Repeat("?", 200),
	} {
		document := []byte(`{"Version": "2012-10-17", "Statement": [` +
			strings.Repeat(`{"Effect": "Allow", "Action": "*", "Resource": ["`+resource+`", "`+resource+`"]}, `, 20) + `{"Effect": "Deny", "Action": "*", "Resource": "*"}]}`)
		var kept []*Policy
		said := 0
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for range 100 {
			r := &reader{patterns: unbounded, effort: maxEffort, most: unbounded, attached: true}
			p, err := parse(document, r)
			if err != nil {
				t.Fatal(err)
			}
			kept, said = append(kept, p), r.size
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		taken := int(after.HeapAlloc-before.HeapAlloc) / len(kept)
		if taken > said*5/4 || said > 4*taken {
			t.Errorf("%s: it takes %d bytes, and says %d", name, taken, said)
		}
		runtime.KeepAlive(kept)
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
