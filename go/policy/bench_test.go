package policy

import (
	"encoding/json"
	"fmt"
	"testing"
)

// team is a policy in which every team has a folder and a Deny of its own.
func team(tb testing.TB, statements int) *Policy {
	list := []any{}
	for i := range statements / 2 {
		who := object{"Token": fmt.Sprintf("team-%d-*", i)}
		folder := fmt.Sprintf("arn:aws:s3:::lake/teams/%d/*", i)
		list = append(list,
			object{"Effect": "Allow", "Principal": who, "Action": []any{"s3:GetObject", "s3:PutObject"}, "Resource": folder},
			object{"Effect": "Deny", "Principal": "*", "Action": "s3:Put*", "Resource": folder, "Condition": object{"NotIpAddress": object{"aws:SourceIp": "192.0.2.0/24"}}},
		)
	}
	document, err := json.Marshal(object{"Version": "2012-10-17", "Statement": list})
	if err != nil {
		tb.Fatal(err)
	}
	p, err := Parse(document)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// same is a policy whose statements all are about one bucket, as a whole, each for whom
// who says.
func same(tb testing.TB, statements int, who func(i int) object) *Policy {
	list := []any{}
	for i := range statements {
		list = append(list, object{"Effect": "Allow", "Principal": who(i), "Action": "s3:*", "Resource": "arn:aws:s3:::lake/*"})
	}
	document, err := json.Marshal(object{"Version": "2012-10-17", "Statement": list})
	if err != nil {
		tb.Fatal(err)
	}
	p, err := Parse(document)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func client(i int) object  { return object{"Token": fmt.Sprintf("client-%d", i)} }
func clients(i int) object { return object{"Token": fmt.Sprintf("team-%d-*", i)} }
func role(i int) object    { return object{"Role": fmt.Sprintf("role-%d", i)} }
func group(i int) object   { return object{"Group": fmt.Sprintf("group-%d", i)} }

func BenchmarkDecide(b *testing.B) {
	for name, c := range map[string]struct {
		policy   *Policy
		question string
		effect   Effect
	}{
		"one of 100 folders":                 {team(b, 100), "s3:PutObject lake/teams/42/2026/03/01/0001.parquet token=team-42-bob", Allow},
		"one of 4000 folders":                {team(b, 4000), "s3:PutObject lake/teams/42/2026/03/01/0001.parquet token=team-42-bob", Allow},
		"nothing said":                       {team(b, 100), "s3:PutObject lake/teams/42/2026/03/01/0001.parquet token=team-41-bob", None},
		"one bucket, the last of 100":        {same(b, 100, client), "s3:GetObject lake/teams/42/2026/03/01/0001.parquet token=client-99", Allow},
		"one bucket, for none of 100":        {same(b, 100, client), "s3:GetObject lake/teams/42/2026/03/01/0001.parquet token=mallory", None},
		"one bucket, the last of 10000":      {same(b, 10_000, client), "s3:GetObject lake/teams/42/2026/03/01/0001.parquet token=client-9999", Allow},
		"one bucket, the last of 100 teams":  {same(b, 100, clients), "s3:GetObject lake/teams/42/2026/03/01/0001.parquet token=team-99-bob", Allow},
		"one bucket, the last of 100 roles":  {same(b, 100, role), "s3:GetObject lake/teams/42/2026/03/01/0001.parquet role=role-99", Allow},
		"one bucket, the last of 100 groups": {same(b, 100, group), "s3:GetObject lake/teams/42/2026/03/01/0001.parquet group=group-99", Allow},
		"a variable, among 100 statements":   {identity(b, homes), "s3:GetObject lake/home/David/x", Allow},
	} {
		b.Run(name, func(b *testing.B) {
			q := ask(b, c.question)
			b.ReportAllocs()
			for b.Loop() {
				if v := c.policy.Decide(q); v.Effect != c.effect {
					b.Fatalf("%+v", v)
				}
			}
		})
	}
}

// homes has a folder for each client, and some that are shared.
var homes = func() string {
	text := `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::lake/home/${aws:username}/*"}`
	for i := range 99 {
		text += fmt.Sprintf(`, {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/shared/%d/*", "Condition": {"StringLike": {"aws:username": "D*"}}}`, i)
	}
	return text + "]}"
}()
