package names

import (
	"encoding/xml"
	"strings"
	"testing"

	"osp/go/stores"
	"osp/go/wire"
)

func TestRefusalsAreToldInTheClientsNamesAndOurWords(t *testing.T) {
	const said = `<Message>no /srv/lake/team a/k on host lake.internal</Message>`
	source := &Place{&stores.Bucket{Name: "archive", Remote: "attic", Prefix: "boxes/", Tokens: team.Tokens}, "old"}
	sibling := &Place{&stores.Bucket{Name: "public", Remote: "lake"}, "k"}
	for _, c := range []struct {
		name     string
		answer   Response
		from, to string
	}{
		{"an object", Response{Place: Place{team, "k"}}, `<Code>NoSuchKey</Code>` + said + `<Key>team a/k</Key><BucketName>lake</BucketName><Resource>/lake/team a/k</Resource><RequestId>1</RequestId>`,
			`<Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>k</Key><BucketName>data</BucketName><Resource>/data/k</Resource><RequestId>1</RequestId>`},
		{"a bucket", Response{Place: Place{Bucket: team}}, `<Code>NoSuchBucket</Code><Resource>/lake</Resource>`, `<Code>NoSuchBucket</Code><Resource>/data</Resource>`},
		{"a code of the store's own", Response{Place: Place{team, "k"}}, `<Code>XMinioOops</Code>` + said, `<Code>XMinioOops</Code><Message>The object store refused the request.</Message>`},
		{"what S3 does not have", Response{Place: Place{team, "k"}}, `<Code>PermanentRedirect</Code><Endpoint>lake.s3.example</Endpoint><Bucket>lake</Bucket><Path>/srv/lake</Path><ArgumentValue>team a/</ArgumentValue><Detail>lake<x/></Detail><Detail><x>lake</x></Detail>`,
			`<Code>PermanentRedirect</Code><Bucket>data</Bucket>`},
		{"what is harmless", Response{Place: Place{team, "k"}}, `<Code>InvalidRange</Code><RangeRequested>bytes=9-</RangeRequested><ActualObjectSize>1</ActualObjectSize>`,
			`<Code>InvalidRange</Code><RangeRequested>bytes=9-</RangeRequested><ActualObjectSize>1</ActualObjectSize>`},
		{"the key comes first", Response{Place: Place{team, "k"}}, `<Key>team a/k</Key>` + said + `<Code>NoSuchKey</Code>`, `<Key>k</Key><Message>The specified key does not exist.</Message><Code>NoSuchKey</Code>`},
		{"another key", Response{Place: Place{team, "k"}}, `<Code>Oops</Code><Key>team a/l</Key>`, `<Code>Oops</Code>`},
		{"the source of a copy by its key", Response{Place: Place{team, "k"}, Source: source}, `<Code>NoSuchKey</Code><Key>boxes/old</Key><BucketName>attic</BucketName><Resource>/lake/team a/k</Resource>`,
			`<Code>NoSuchKey</Code><Key>old</Key><BucketName>archive</BucketName><Resource>/archive/old</Resource>`},
		{"the source of a copy by its bucket", Response{Place: Place{team, "k"}, Source: source}, `<Code>NoSuchBucket</Code><BucketName>attic</BucketName>`, `<Code>NoSuchBucket</Code><BucketName>archive</BucketName>`},
		{"the source of a copy by its path", Response{Place: Place{team, "k"}, Source: source}, `<Code>NoSuchKey</Code><Resource>/attic/boxes/old</Resource>`, `<Code>NoSuchKey</Code><Resource>/archive/old</Resource>`},
		{"the target of a copy", Response{Place: Place{team, "k"}, Source: source}, `<Code>AccessDenied</Code><Key>team a/k</Key><BucketName>lake</BucketName>`, `<Code>AccessDenied</Code><Key>k</Key><BucketName>data</BucketName>`},
		{"a folder of the bucket that it is copied to", Response{Place: *sibling, Source: &Place{team, "k"}}, `<Code>NoSuchKey</Code>` + said + `<Key>team a/k</Key><BucketName>lake</BucketName>`,
			`<Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>k</Key><BucketName>data</BucketName>`},
		{"a key that neither is", Response{Place: *sibling, Source: &Place{team, "k"}}, `<Code>NoSuchKey</Code><Key>team a/</Key><BucketName>lake</BucketName>`, `<Code>NoSuchKey</Code><BucketName>public</BucketName>`},
	} {
		got, err := c.answer.Failure([]byte(`<?xml version="1.0"?><!-- lake --><Error xmlns="lake">` + c.from + `</Error>`))
		if want := xml.Header + "<Error>" + c.to + "</Error>"; string(got) != want || err != nil {
			t.Errorf("%s: %v\ngot  %s\nwant %s", c.name, err, got, want)
		}
		streamed, err := rewritten(c.answer, " <Error>"+c.from+"</Error>")
		if want := " <Error>" + c.to + "</Error>"; streamed != want || err != nil {
			t.Errorf("%s, in a 200: %v\ngot  %s\nwant %s", c.name, err, streamed, want)
		}
	}
}

func TestFailuresOfAListToDeleteAreToldLikewise(t *testing.T) {
	const from = `<DeleteResult><Deleted><Key>team a/a</Key></Deleted><Error><Key>team a/b</Key><Message>/srv/lake</Message><Code>AccessDenied</Code></Error><Error><Key>elsewhere</Key><Code>Oops</Code></Error></DeleteResult>`
	const to = `<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Message>Access Denied</Message><Code>AccessDenied</Code></Error><Error><Code>Oops</Code></Error></DeleteResult>`
	if got, err := rewritten(Response{Place: Place{Bucket: team}}, from); got != to || err != nil {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, to)
	}
	plain := &stores.Bucket{Name: "lake", Remote: "lake"}
	if got, err := rewritten(Response{Place: Place{Bucket: plain}}, from); got != from || err != nil {
		t.Errorf("the store's own names: %v\ngot  %s", err, got)
	}
}

func TestWhatIsNoErrorOfS3IsNotTold(t *testing.T) {
	for _, body := range []string{
		"", "lake", `{"bucket": "lake"}`, "<html><body>lake</body></html>", "<Error>", "<Error></Error>", "<Error/>", "<Error><Code>lake/team a</Code></Error>",
		"<Error><Code>Oops</Key></Error>", "<Error><Code><x>lake</x></Code></Error>", "<Error><Code>" + strings.Repeat("x", 65) + "</Code></Error>",
		"<Error><Code>Oops</Code><Message>" + strings.Repeat("<![CDATA[x]]>", wire.LongestError/10) + "</Message></Error>",
		`<?xml version="1.0" encoding="ISO-8859-1"?><Error><Code>Oops</Code></Error>`, "<Error><Code>Oops</Code><Message>\xff</Message></Error>",
	} {
		if got, err := (Response{Place: Place{team, "k"}}).Failure([]byte(body)); err == nil {
			t.Errorf("%s: got %s", body, got)
		}
	}
}

func TestCopiesHideWhatEitherEntryHides(t *testing.T) {
	plain := &stores.Bucket{Name: "lake", Remote: "lake"}
	for _, c := range []struct {
		target, source *stores.Bucket
		hides          bool
	}{{plain, nil, false}, {plain, plain, false}, {team, nil, true}, {team, plain, true}, {plain, team, true}} {
		a := Response{Place: Place{Bucket: c.target, Key: "k"}}
		if c.source != nil {
			a.Source = &Place{c.source, "k"}
		}
		if a.Hides() != c.hides {
			t.Errorf("%v from %v: %v", c.target.Name, c.source, a.Hides())
		}
	}
}

// However an error is made up, it reveals nothing of the store's names.
func FuzzFailure(f *testing.F) {
	f.Add(`<Error><Code>NoSuchKey</Code><Message>zanzibar</Message><Key>quokka/k</Key><BucketName>zanzibar</BucketName><x:y><z>quokka</z></x:y></Error>`)
	f.Add(`<?xml version="1.0"?><Error><Resource>/zanzibar/quokka/k</Resource><Code><![CDATA[A]]>B</Code><ArgumentValue>quokka/</ArgumentValue></Error>`)
	hidden := &stores.Bucket{Name: "data", Remote: "zanzibar", Prefix: "quokka/", Tokens: team.Tokens}
	f.Fuzz(func(t *testing.T, body string) {
		for name := range harmless { // which are trusted to contain no names
			if strings.Contains(body, name) {
				return
			}
		}
		got, err := (Response{Place: Place{hidden, "k"}}).Failure([]byte(body))
		if err != nil {
			return
		}
		var e struct{ Code string }
		if xml.Unmarshal(got, &e) != nil {
			t.Fatalf("%q became no XML: %s", body, got)
		}
		told := strings.ReplaceAll(string(got), "<Code>"+e.Code+"</Code>", "")
		if strings.Contains(told, "zanzibar") || strings.Contains(told, "quokka") {
			t.Fatalf("%q became %s", body, got)
		}
	})
}
