package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"osp/go/s3op"
)

const valid = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}]}`

// statement is a document with one statement, with some of its members changed.
func statement(members string) string {
	return strings.Replace(valid, `"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"`, members, 1)
}

func conditioned(block string) string {
	return statement(`"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*", "Condition": ` + block)
}

func ofKMS(rest string) string {
	return statement(`"Effect": "Deny", "Principal": "*", "Action": "kms:*", ` + rest)
}

func TestStatementsOfOthersMayHaveTheirKeys(t *testing.T) {
	document := ofKMS(`"Resource": "arn:aws:kms:eu-west-1:1:key/a", "Condition": {"StringLike": {"kms:ViaService": ["s3.*"], "kms:EncryptionContext:aws:s3:arn": "b"}, "ArnLike": {"aws:PrincipalArn": "c"}, "Bool": {"kms:GrantIsForAWSResource": true}}`)
	if _, err := Parse([]byte(document)); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNotUnderstoodIsAMistakeAtItsPlace(t *testing.T) {
	for document, path := range map[string]string{
		``: "", `{`: "", `[]`: "", `null`: "", valid + `{}`: "", "\xff": "",
		strings.Replace(valid, "2012-10-17", "2008-10-17", 1):                                      "Version",
		strings.Replace(valid, `"Version": "2012-10-17", `, "", 1):                                 "Version",
		strings.Replace(valid, `"Statement"`, `"statement"`, 1):                                    "Statement",
		strings.Replace(valid, `{"Version"`, `{"Comment": "x", "Version"`, 1):                      "Comment",
		strings.Replace(valid, `{"Version"`, `{"Version": "2012-10-17", "Version"`, 1):             "Version",
		strings.Replace(valid, `"Effect": "Allow"`, `"Effect": "Allow", "Effect": "Allow"`, 1):     "Statement[0].Effect",
		strings.Replace(valid, `"Allow"`, `"allow"`, 1):                                            "Statement[0].Effect",
		strings.Replace(valid, `"Effect": "Allow", `, ``, 1):                                       "Statement[0].Effect",
		strings.Replace(valid, `"Principal": "*", `, ``, 1):                                        "Statement[0].Principal",
		strings.Replace(valid, `"Principal": "*"`, `"Principal": "alice"`, 1):                      "Statement[0].Principal",
		strings.Replace(valid, `"Principal": "*"`, `"Principal": {"AWS": "*"}`, 1):                 "Statement[0].Principal.AWS",
		strings.Replace(valid, `"Principal": "*"`, `"Principal": {"Token": []}`, 1):                "Statement[0].Principal.Token",
		strings.Replace(valid, `"Principal": "*"`, `"Principal": {"Token": "${aws:username}"}`, 1): "Statement[0].Principal.Token",
		strings.Replace(valid, `"Principal"`, `"NotPrincipal"`, 1):                                 "Statement[0].NotPrincipal",
		strings.Replace(valid, `"s3:GetObject"`, `["s3:GetObject", "s3:GetObjekt"]`, 1):            "Statement[0].Action[1]",
		strings.Replace(valid, `"s3:GetObject"`, `"s3:HeadObject"`, 1):                             "Statement[0].Action",
		strings.Replace(valid, `"s3:GetObject"`, `"iam:GetUser"`, 1):                               "Statement[0].Action",
		strings.Replace(valid, `"s3:GetObject"`, `"s3:${aws:username}"`, 1):                        "Statement[0].Action",
		strings.Replace(valid, `"s3:GetObject"`, `7`, 1):                                           "Statement[0].Action",
		strings.Replace(valid, `"s3:GetObject"`, `[]`, 1):                                          "Statement[0].Action",
		strings.Replace(valid, `"Action"`, `"NotAction": "s3:*", "Action"`, 1):                     "Statement[0].NotAction",
		strings.Replace(valid, `"Action": "s3:GetObject", `, ``, 1):                                "Statement[0].Action",
		strings.Replace(valid, `"arn:aws:s3:::b/*"`, `"b/*"`, 1):                                   "Statement[0].Resource",
		strings.Replace(valid, `"arn:aws:s3:::b/*"`, `"arn:aws:s3:::"`, 1):                         "Statement[0].Resource",
		strings.Replace(valid, `"arn:aws:s3:::b/*"`, `"arn:aws:s3:::/k"`, 1):                       "Statement[0].Resource",
		strings.Replace(valid, `"arn:aws:s3:::b/*"`, `"arn:aws:s3:eu-west-1:1:accesspoint/a"`, 1):  "Statement[0].Resource",
		strings.Replace(valid, `"arn:aws:s3:::b/*"`, `"arn:aws:sqs:::q"`, 1):                       "Statement[0].Resource",
		strings.Replace(valid, `"arn:aws:s3:::b/*"`, `"arn:aws:s3:::b/${aws:PrincipalTag/}"`, 1):   "Statement[0].Resource",
		strings.Replace(valid, `"arn:aws:s3:::b/*"`, `"arn:aws:s3:::b/${aws:username"`, 1):         "Statement[0].Resource",
		strings.Replace(valid, `"arn:aws:s3:::b/*"`, `"arn:aws:s3:::b/\ud800"`, 1):                 "Statement[0].Resource",
		strings.Replace(valid, `"Resource": "arn:aws:s3:::b/*"`, `"Resource": null`, 1):            "Statement[0].Resource",
		conditioned(`{}`): "Statement[0].Condition", conditioned(`[]`): "Statement[0].Condition",
		conditioned(`{"StringEquals": {}}`):                                                              "Statement[0].Condition.StringEquals",
		conditioned(`{"StringMatches": {"s3:prefix": "a"}}`):                                             "Statement[0].Condition.StringMatches",
		conditioned(`{"stringequals": {"s3:prefix": "a"}}`):                                              "Statement[0].Condition.stringequals",
		conditioned(`{"ArnLike": {"aws:PrincipalArn": "a"}}`):                                            "Statement[0].Condition.ArnLike",
		conditioned(`{"NullIfExists": {"s3:prefix": "true"}}`):                                           "Statement[0].Condition.NullIfExists",
		conditioned(`{"ForAnyValue:StringLikeIfExists": {"s3:prefix": "a"}}`):                            `Statement[0].Condition["ForAnyValue:StringLikeIfExists"]`,
		conditioned(`{"ForAllValues:ForAnyValue:StringLike": {"s3:prefix": "a"}}`):                       `Statement[0].Condition["ForAllValues:ForAnyValue:StringLike"]`,
		conditioned(`{"StringEquals": {"s3:prefixes": "a"}}`):                                            `Statement[0].Condition.StringEquals["s3:prefixes"]`,
		conditioned(`{"StringEquals": {"s3:prefix": []}}`):                                               `Statement[0].Condition.StringEquals["s3:prefix"]`,
		conditioned(`{"StringEquals": {"s3:prefix": ["a", 1]}}`):                                         `Statement[0].Condition.StringEquals["s3:prefix"][1]`,
		conditioned(`{"StringEquals": {"s3:prefix": "${s3:prefix}"}}`):                                   `Statement[0].Condition.StringEquals["s3:prefix"]`,
		conditioned(`{"StringEquals": {"s3:max-keys": "1"}}`):                                            `Statement[0].Condition.StringEquals["s3:max-keys"]`,
		conditioned(`{"NumericEquals": {"s3:prefix": "1"}}`):                                             `Statement[0].Condition.NumericEquals["s3:prefix"]`,
		conditioned(`{"NumericEquals": {"s3:max-keys": "many"}}`):                                        `Statement[0].Condition.NumericEquals["s3:max-keys"]`,
		conditioned(`{"NumericEquals": {"s3:max-keys": "1e3"}}`):                                         `Statement[0].Condition.NumericEquals["s3:max-keys"]`,
		conditioned(`{"DateLessThan": {"aws:CurrentTime": "tomorrow"}}`):                                 `Statement[0].Condition.DateLessThan["aws:CurrentTime"]`,
		conditioned(`{"DateLessThan": {"aws:CurrentTime": "9223372036854775807"}}`):                      `Statement[0].Condition.DateLessThan["aws:CurrentTime"]`,
		conditioned(`{"DateLessThan": {"aws:EpochTime": -62167219201}}`):                                 `Statement[0].Condition.DateLessThan["aws:EpochTime"]`,
		conditioned(`{"DateLessThan": {"aws:CurrentTime": [253402300799, -62167219200, 253402300800]}}`): `Statement[0].Condition.DateLessThan["aws:CurrentTime"][2]`,
		conditioned(`{"StringLike": {"s3:prefix": "a*", "S3:Prefix": "b*"}}`):                            `Statement[0].Condition.StringLike["S3:Prefix"]`,
		ofKMS(`"Resource": 7`): "Statement[0].Resource", ofKMS(`"Resource": []`): "Statement[0].Resource",
		ofKMS(`"Resource": "*", "Condition": "nonsense"`):                                                                  "Statement[0].Condition",
		ofKMS(`"Resource": "*", "Condition": {"StringLike": []}`):                                                          "Statement[0].Condition.StringLike",
		ofKMS(`"Resource": "*", "Condition": {"StringLike": {"kms:ViaService": [null]}}`):                                  `Statement[0].Condition.StringLike["kms:ViaService"][0]`,
		strings.Replace(valid, "::b/*", "::b/"+strings.Repeat("*a", 33), 1):                                                "Statement[0].Resource",
		strings.Replace(valid, "::b/*", "::b/*"+strings.Repeat("?", 256), 1):                                               "Statement[0].Resource",
		strings.Replace(valid, `"Principal": "*"`, `"Principal": {"Token": "`+strings.Repeat("*", 33)+`"}`, 1):             "Statement[0].Principal.Token",
		conditioned(`{"StringLike": {"s3:prefix": "` + strings.Repeat("*", 33) + `"}}`):                                    `Statement[0].Condition.StringLike["s3:prefix"]`,
		conditioned(`{"StringLike": {"s3:prefix": [` + strings.Repeat(`"*`+strings.Repeat("?", 250)+`",`, 80) + `"*?"]}}`): `Statement[0].Condition.StringLike["s3:prefix"]`,
		conditioned(`{"Bool": {"aws:SecureTransport": "yes"}}`):                                                            `Statement[0].Condition.Bool["aws:SecureTransport"]`,
		conditioned(`{"Bool": {"aws:SecureTransport": ["true", "false"]}}`):                                                `Statement[0].Condition.Bool["aws:SecureTransport"]`,
		conditioned(`{"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}}`):                                                      `Statement[0].Condition.IpAddress["aws:SourceIp"]`,
		conditioned(`{"IpAddress": {"aws:SourceIp": "::ffff:10.0.0.1"}}`):                                                  `Statement[0].Condition.IpAddress["aws:SourceIp"]`,
		`{"Version": "2012-10-17", "Statement": [
			{"Sid": "a", "Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"},
			{"Sid": "a", "Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}]}`: "Statement[1].Sid",
		statement(`"Sid": "a\u0000", "Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"`): "Statement[0].Sid",
		conditioned(strings.Repeat("[", 20) + strings.Repeat("]", 20)):                                    "Statement[0].Condition[0][0][0][0][0][0]",
	} {
		_, err := Parse([]byte(document))
		var mistakes *MistakesError
		if !errors.As(err, &mistakes) {
			t.Errorf("%s is accepted", document)
			continue
		}
		found := false
		for _, m := range mistakes.Mistakes {
			found = found || m.Path == path
		}
		if !found {
			t.Errorf("%s\n%v\nno mistake at %q", document, err, path)
		}
	}
}

func TestPatternsMayHaveTheMostThatIsAllowed(t *testing.T) {
	for _, document := range []string{
		strings.Replace(valid, "::b/*", "::b/"+strings.Repeat("*a", 32), 1),
		conditioned(`{"StringLike": {"s3:prefix": [` + strings.Repeat(`"*`+strings.Repeat("?", 250)+`",`, 79) + `"a*"]}}`),
		conditioned(`{"StringEquals": {"s3:prefix": "` + strings.Repeat("*", 2000) + `"}}`),
	} {
		if _, err := Parse([]byte(document)); err != nil {
			t.Error(err)
		}
	}
}

func TestAllMistakesAreReportedWithTheirLines(t *testing.T) {
	_, err := Parse([]byte("{\n \"Version\": \"1\",\n \"Statement\": [\n  {\"Effect\": \"Perhaps\",\n   \"Principal\": \"*\",\n   \"Action\": [\n    \"s3:GetObject\",\n    \"s3:ListObjects\"],\n   \"Resource\": \"secret-b\"\n  }]}"))
	var mistakes *MistakesError
	if !errors.As(err, &mistakes) {
		t.Fatal(err)
	}
	var lines []int
	for _, m := range mistakes.Mistakes {
		lines = append(lines, m.Line)
	}
	if len(lines) != 4 || lines[0] != 2 || lines[1] != 4 || lines[2] != 8 || lines[3] != 9 {
		t.Errorf("%v", err)
	}
	if strings.Contains(err.Error(), "secret-b") || !strings.Contains(err.Error(), "needs the action s3:ListBucket") {
		t.Errorf("%v", err)
	}
}

func TestASyntaxErrorHasItsLine(t *testing.T) {
	_, err := Parse([]byte("{\n\n\"Version\": oops}"))
	var mistakes *MistakesError
	if !errors.As(err, &mistakes) || mistakes.Mistakes[0].Line != 3 {
		t.Errorf("%v", err)
	}
}

func TestANilPolicySaysNothing(t *testing.T) {
	var p *Policy
	if v := p.Decide(&Question{}); v != (Verdict{}) {
		t.Errorf("%+v", v)
	}
	one, two := identity(t, valid), identity(t, valid)
	if !one.Same(two) || one.Same(nil) || p.Same(one) || !p.Same(nil) {
		t.Error("the same documents are different, or different ones the same")
	}
}

func TestStatementsHaveNames(t *testing.T) {
	if got := (&Statement{Sid: "a b", Index: 3}).String(); got != `statement "a b"` {
		t.Error(got)
	}
	if got := (&Statement{Index: 3}).String(); got != "Statement[3]" {
		t.Error(got)
	}
}

// Whatever is accepted can be decided by.
func FuzzParse(f *testing.F) {
	f.Add([]byte(valid), "s3:GetObject", "b/k", "alice")
	f.Add([]byte(conditioned(`{"ForAllValues:StringNotLike": {"s3:prefix": ["${aws:username, 'x'}/*", "${*}"]}, "Null": {"aws:userid": "false"}}`)), "s3:ListBucket", "b", "")
	f.Add([]byte(conditioned(`{"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}, "DateLessThan": {"aws:EpochTime": 1}, "NumericLessThanIfExists": {"s3:max-keys": 5}}`)), "s3:ListBucket", "b", "a")
	f.Add([]byte(statement(`"Sid": "s", "Effect": "Deny", "Principal": {"Token": ["a", "b*"]}, "NotAction": ["kms:*", "s3:Get*"], "NotResource": ["arn:aws:s3:::*?x"]`)), "s3:PutObject", "b/k", "b")
	f.Fuzz(func(t *testing.T, document []byte, action, resource, token string) {
		p, err := Parse(document)
		if err != nil {
			if _, ok := err.(*MistakesError); !ok || p != nil {
				t.Fatalf("%v, %v", p, err)
			}
			return
		}
		if !slices.Contains(s3op.Actions(), action) {
			return
		}
		q := ask(t, action)
		q.Resource, q.Token = resource, token
		p.Decide(q)
	})
}
