package border

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"osp/go/config"
)

const replaying = `{"policy": {"Version": "2012-10-17", "Statement": [
	{"Sid": "Reads", "Effect": "Allow", "Principal": {"Token": "alice"}, "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::photos/*"},
	{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::photos/secret*", "Condition": {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}},
	{"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"StringLike": {"s3:prefix": "public/*"}}},
	{"Effect": "Deny", "Principal": {"Token": "bob"}, "Action": "s3:PutObject", "Resource": "*", "Condition": {"Null": {"s3:x-amz-acl": false}}},
	{"Effect": "Allow", "Principal": {"Role": "lake"}, "Action": "s3:PutObject", "Resource": "*"},
	{"Effect": "Allow", "Principal": {"Token": "carol"}, "Action": "s3:*", "Resource": "*", "Condition": {"DateLessThan": {"aws:CurrentTime": "2026-02-01"}}}
]}, "requests": [%s]}`

func TestWhatALogDoesNotTellOfSessionsIsNotMadeUp(t *testing.T) {
	for statement, depends := range map[string]bool{
		`"Principal": {"Role": "r", "Token": "a"}, "Resource": "arn:aws:s3:::b/${aws:username}/${aws:userid}"`:                          false,
		`"Principal": {"Group": "a"}, "Resource": "*"`:                                                                                  true,
		`"Principal": {"Claim": {"team": "a"}}, "Resource": "*"`:                                                                        true,
		`"Principal": "*", "Resource": "arn:aws:s3:::b/${jwt:sub}/*"`:                                                                   true,
		`"Principal": "*", "Resource": "*", "Condition": {"StringEquals": {"aws:PrincipalTag/team": "a"}}`:                              true,
		`"Principal": "*", "Resource": "*", "Condition": {"Null": {"aws:SourceIdentity": true}}`:                                        true,
		`"Principal": "*", "Resource": "*", "Condition": {"StringNotLike": {"s3:prefix": ["a", "${aws:PrincipalTag/team, 'none'}/*"]}}`: true,
	} {
		action := "s3:GetObject"
		if strings.Contains(statement, "s3:prefix") {
			action = "s3:ListBucket"
		}
		request := `{"token": "t", "role": "r", "session": "s", "method": "GET", "operation": "GetObject", "bucket": "b", "key": "k", "time": "2026-01-31T12:00:00Z"}`
		document, err := Replay([]byte(fmt.Sprintf(`{"policy": {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": %q, %s}}, "requests": [%s, %s]}`,
			action, statement, request, strings.NewReplacer(`"role": "r", `, "", `"session": "s", `, "").Replace(request))))
		if err != nil {
			t.Fatal(statement, err)
		}
		var got []outcome
		if err := json.Unmarshal(document, &got); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(got[0].Missing, "the session's claims and tags") != depends || got[1].Missing != nil {
			t.Errorf("%s: %s", statement, document)
		}
	}
}

func TestALogIsReplayedAsFarAsItTells(t *testing.T) {
	for request, want := range map[string]string{
		`"token": "alice", "method": "GET", "operation": "GetObject", "bucket": "photos", "key": "a%20b"`:                                   `true allow s3:GetObject photos/a b`,
		`"token": "alice", "method": "HEAD", "operation": "HeadObject", "bucket": "photos", "key": "a"`:                                     `true allow s3:GetObject photos/a`,
		`"token": "dave", "method": "GET", "operation": "GetObject", "bucket": "photos", "key": "a"`:                                        `false nothing s3:GetObject photos/a`,
		`"token": "alice", "method": "GET", "operation": "GetObject", "bucket": "photos", "key": "secret", "client_ip": "192.0.2.1"`:        `true allow s3:GetObject photos/secret`,
		`"token": "alice", "method": "GET", "operation": "GetObject", "bucket": "photos", "key": "secret"`:                                  `false deny s3:GetObject photos/secret`,
		`"token": "dave", "method": "GET", "operation": "ListObjectsV2", "bucket": "photos"`:                                                `false nothing s3:ListBucket photos [s3:prefix]`,
		`"token": "bob", "method": "PUT", "operation": "PutObject", "bucket": "photos", "key": "a"`:                                         `false nothing s3:PutObject photos/a [s3:x-amz-acl]`,
		`"token": "alice", "method": "PUT", "operation": "CopyObject", "bucket": "photos", "key": "a"`:                                      `true allow s3:PutObject photos/a [the source]`,
		`"token": "dave", "method": "PUT", "operation": "CopyObject", "bucket": "photos", "key": "a"`:                                       `false nothing s3:PutObject photos/a`,
		`"token": "alice", "method": "GET", "operation": "GetObjectAcl", "bucket": "photos", "key": "a"`:                                    `false nothing s3:GetObjectAcl photos/a`,
		`"token": "carol", "method": "DELETE", "operation": "DeleteObjectTagging", "bucket": "photos", "key": "a"`:                          `true allow s3:DeleteObjectTagging photos/a`,
		`"token": "carol", "method": "DELETE", "operation": "DeleteObject", "bucket": "photos", "key": "a", "time": "2026-02-01T00:00:00Z"`: `false nothing s3:DeleteObject photos/a`,
		`"method": "GET", "operation": "ListBuckets"`:                                                                                       `false nothing  `,
		`"token": "carol", "method": "GET", "operation": "ListBuckets"`:                                                                     `true allow s3:ListAllMyBuckets `,
		`"token": "carol", "method": "POST", "operation": "DeleteObjects", "bucket": "photos"`:                                              `[the keys of the list]`,
		`"token": "carol", "method": "GET", "operation": "Nonsense", "bucket": "photos"`:                                                    `[the operation]`,
		`"token": "alice", "session": "a", "method": "GET", "operation": "GetObject", "bucket": "photos", "key": "a"`:                       `true allow s3:GetObject photos/a`,
		`"token": "dave", "session": "a", "method": "GET", "operation": "GetObject", "bucket": "photos", "key": "a"`:                        `false nothing s3:GetObject photos/a`,
		`"token": "dave", "role": "r", "session": "a", "method": "GET", "operation": "GetObject", "bucket": "photos", "key": "a"`:           `[the role's policy]`,
		`"token": "dave", "role": "r", "session": "a", "method": "GET", "operation": "GetObject", "bucket": "photos", "key": "secret"`:      `false deny s3:GetObject photos/secret`,
		`"token": "dave", "role": "lake", "session": "a", "method": "PUT", "operation": "PutObject", "bucket": "photos", "key": "a"`:        `true allow s3:PutObject photos/a`,
		`"token": "eyJh...sha256:0123456789abcdef", "method": "GET", "operation": "GetObject", "bucket": "photos", "key": "a"`:              `[the whole access key]`,
	} {
		if !strings.Contains(request, `"time"`) {
			request += `, "time": "2026-01-31T12:00:00.5Z"`
		}
		document, err := Replay([]byte(fmt.Sprintf(replaying, "{"+request+"}")))
		if err != nil {
			t.Errorf("%s: %v", request, err)
			continue
		}
		var got []outcome
		if err := json.Unmarshal(document, &got); err != nil || len(got) != 1 {
			t.Fatalf("%s: %v", document, err)
		}
		o := got[0]
		text := fmt.Sprintf("%v %s %s %s", o.Allowed, o.Decided.Effect, o.Decided.Action, o.Decided.Resource)
		if o.Missing != nil {
			text += fmt.Sprintf(" %v", o.Missing)
		}
		if !strings.HasSuffix(text, want) {
			t.Errorf("%s\ngot  %s\nwant %s", request, text, want)
		}
		if (o.Decided.Statement != "") != (o.Decided.Effect == "allow" || o.Decided.Effect == "deny") {
			t.Errorf("%s: by %q", request, o.Decided.Statement)
		}
	}
}

func TestAReplayThatMakesNoSenseIsAMistake(t *testing.T) {
	for document, want := range map[string]string{
		`{"requests": []}`:              "policy: is required",
		fmt.Sprintf(replaying, `{}`):    "requests[0].operation: is required",
		fmt.Sprintf(replaying, `"GET"`): "requests[0]: must be a dict",
		fmt.Sprintf(replaying, `{"operation": "GetObject", "method": "GET", "time": "noon"}`): "requests[0].time: must be a time",
	} {
		_, err := Replay([]byte(document))
		var mistakes *config.MistakesError
		if !errors.As(err, &mistakes) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", document, err)
		}
	}
}
