package names

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/seal"
	"osp/go/stores"
)

var team = &stores.Bucket{Name: "data", Remote: "lake", Prefix: "team a/", Tokens: seal.Derive("test", nil)}

func request(t *testing.T, method, target string) *s3op.Request {
	t.Helper()
	r, err := s3op.Parse(method, target, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestKeysGainTheFolder(t *testing.T) {
	if key, err := Key(team, "k"); key != "team a/k" || err != nil {
		t.Errorf("got %q, %v", key, err)
	}
	if key, err := Key(team, ""); key != "" || err != nil {
		t.Errorf("the bucket itself: %q, %v", key, err)
	}
	if _, err := Key(team, strings.Repeat("k", 1018)); !errors.Is(err, s3err.KeyTooLong) {
		t.Errorf("a key that is too long with its folder: %v", err)
	}
	if source, err := CopySource(team, &s3op.CopySource{Bucket: "data", Key: "k", VersionID: "v"}); source != "lake/team%20a/k?versionId=v" || err != nil {
		t.Errorf("got %q, %v", source, err)
	}
}

// A store that treats keys as paths could take the first ones for others.
func TestKeysHaveOneMeaningAtTheirStore(t *testing.T) {
	paths, opaque := &stores.Bucket{}, &stores.Bucket{Dialect: stores.Dialect{OpaqueKeys: true}}
	for _, key := range []string{"/k", "a//b", "a//", "//", "/", ".", "..", "./k", "../k", "a/../b", "a/./b", "a/..", "a/.", "../", "a/../",
		".sgwtmp", ".sgwtmp/multipart/x", "dir/.sgwtmp", "dir/.sgwtmp/", "secret__XLDIR__", "a__XLDIR__/b", "secret\\x", "\\x"} {
		if err := CheckKey(paths, key); !errors.Is(err, s3err.InvalidURI) {
			t.Errorf("%q: %v", key, err)
		}
		if err := CheckKey(opaque, key); err != nil {
			t.Errorf("%q at a store that keeps keys: %v", key, err)
		}
	}
	for _, key := range []string{"", "k", "a/b", "a/", "a/b/", "...", "..a/.b/c..", "minio/x"} {
		if err := CheckKey(paths, key); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
	for _, r := range []*s3op.Request{{Key: "k/", Selected: true}, {Key: "a/../b"}} {
		if err := CheckTarget(paths, r); !errors.Is(err, s3err.InvalidURI) {
			t.Errorf("%+v: %v", r, err)
		}
		if err := CheckTarget(opaque, r); err != nil {
			t.Errorf("%+v at a store that keeps keys: %v", r, err)
		}
	}
	for _, r := range []*s3op.Request{{Key: "k/"}, {Key: "k", Selected: true}, {Selected: true}} {
		if err := CheckTarget(paths, r); err != nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
	inHost := &stores.Bucket{VirtualStyle: true}
	for _, key := range []string{"minio/admin/v3/info", "MinIO/x", "minio", "crossdomain.xml", "moto-api/data.json", "_localstack/health", "status", "healthz"} {
		if err := CheckKey(inHost, key); !errors.Is(err, s3err.InvalidURI) {
			t.Errorf("%q at a store whose buckets are in the host: %v", key, err)
		}
	}
	if err := CheckKey(inHost, "status/of/orders"); err != nil {
		t.Errorf("below the name of a page: %v", err)
	}
	if err := CheckKey(&stores.Bucket{VirtualStyle: true, Prefix: "team/"}, "minio/x"); err != nil {
		t.Errorf("below a folder: %v", err)
	}
}

func TestListingsAreConfinedToTheFolder(t *testing.T) {
	longest := strings.Repeat("k", 1017) // which a tag of MinIO's makes no longer
	for target, want := range map[string]string{
		"/data":                           "prefix=team%20a%2F",
		"/data?prefix=":                   "prefix=team%20a%2F",
		"/data?prefix=x/&delimiter=/":     "prefix=team%20a%2Fx%2F&delimiter=%2F",
		"/data?marker=k&prefix=..a/":      "marker=team%20a%2Fk&prefix=team%20a%2F..a%2F",
		"/data?marker=":                   "marker=&prefix=team%20a%2F",
		"/data?list-type=2&start-after=k": "list-type=2&start-after=team%20a%2Fk&prefix=team%20a%2F",
		"/data?versions&key-marker=k":     "versions=&key-marker=team%20a%2Fk&prefix=team%20a%2F",
		"/data?uploads&key-marker=k":      "uploads=&key-marker=team%20a%2Fk&prefix=team%20a%2F",
		"/data?location":                  "location=",
		"/data/k?versionId=1":             "versionId=1",
		"/data?marker=" + longest + "[minio_cache:v2,return:]": "marker=team%20a%2F" + longest + "%5Bminio_cache%3Av2%2Creturn%3A%5D&prefix=team%20a%2F",
	} {
		r := request(t, "GET", target)
		q, err := Query(team, r.Operation, r.Query)
		if err != nil || q.Encode() != want {
			t.Errorf("%s: got %s, %v", target, q.Encode(), err)
		}
	}
	for target, want := range map[string]*s3err.Error{
		"/data?allow-unordered=true":                s3err.NotImplemented, // it could reach beyond the folder
		"/data?prefix=../":                          s3err.InvalidURI,
		"/data?marker=x/%2E%2E/y":                   s3err.InvalidURI,
		"/data?list-type=2&start-after=..":          s3err.InvalidURI,
		"/data?prefix=/":                            s3err.InvalidURI,
		"/data?prefix=a//":                          s3err.InvalidURI,
		"/data?prefix=" + strings.Repeat("p", 1018): s3err.KeyTooLong,
	} {
		r := request(t, "GET", target)
		if _, err := Query(team, r.Operation, r.Query); !errors.Is(err, want) {
			t.Errorf("%s: %v", target, err)
		}
	}
}

func TestWhatConcernsTheWholeBucketIsRefusedForAFolder(t *testing.T) {
	for _, c := range []struct {
		method, target string
		allowed        bool
	}{
		{"GET", "/data", true}, {"GET", "/data?list-type=2", true}, {"GET", "/data?versions", true}, {"GET", "/data?uploads", true},
		{"HEAD", "/data", true}, {"GET", "/data?location", true}, {"POST", "/data?delete", true}, {"GET", "/data/k", true},
		{"PUT", "/data/k?acl", true}, {"POST", "/data/k?uploads", true},
		{"PUT", "/data", false}, {"DELETE", "/data", false}, {"GET", "/data?policy", false}, {"PUT", "/data?lifecycle", false},
		{"GET", "/data?acl", false}, {"GET", "/data?inventory", false}, {"GET", "/data?unheard", false}, {"GET", "/data/k?unheard", false},
		{"POST", "/data/k?restore", true},
	} {
		if err := Check(team, request(t, c.method, c.target)); (err == nil) != c.allowed {
			t.Errorf("%s %s: %v", c.method, c.target, err)
		}
	}
	if err := Check(&stores.Bucket{Name: "data", Remote: "lake"}, request(t, "GET", "/data?policy")); err != nil {
		t.Errorf("a whole bucket: %v", err)
	}
}

func rewritten(a Response, document string) (string, error) {
	var whole bytes.Buffer
	err := a.Rewrite(bufio.NewWriter(&whole), strings.NewReader(document), func() error { return nil })
	var bytewise bytes.Buffer
	err2 := a.Rewrite(bufio.NewWriterSize(&bytewise, 1), iotest.OneByteReader(strings.NewReader(document)), func() error { return nil })
	if err == nil && (err2 != nil || whole.String() != bytewise.String()) {
		return "", errors.New("read in another way it becomes another document")
	}
	return whole.String(), err
}

func TestAnswersSpeakTheClientsNames(t *testing.T) {
	const head = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	for _, c := range []struct{ name, from, to string }{
		{
			"a listing",
			head + `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>lake</Name><Prefix>team a/x</Prefix><Marker/><Contents><Key>team a/x&amp;y</Key><Size>1</Size><Owner><ID>team a/</ID></Owner></Contents><!-- c --><CommonPrefixes><Prefix>team a/x/</Prefix></CommonPrefixes></ListBucketResult>`,
			head + `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>data</Name><Prefix>x</Prefix><Marker/><Contents><Key>x&amp;y</Key><Size>1</Size><Owner><ID>team a/</ID></Owner></Contents><CommonPrefixes><Prefix>x/</Prefix></CommonPrefixes></ListBucketResult>`,
		},
		{
			"versions", `<ListVersionsResult><Name>lake</Name><NextKeyMarker>team a/b</NextKeyMarker><Version><Key>team a/a</Key></Version><DeleteMarker><Key><![CDATA[team a/<]]></Key></DeleteMarker></ListVersionsResult>`,
			`<ListVersionsResult><Name>data</Name><NextKeyMarker>b</NextKeyMarker><Version><Key>a</Key></Version><DeleteMarker><Key>&lt;</Key></DeleteMarker></ListVersionsResult>`,
		},
		{
			"an upload", ` <?xml version="1.0"?>   <CompleteMultipartUploadResult><Location>http://store/lake/team%20a/k</Location><Bucket>lake</Bucket><Key>team a/k</Key><ETag>"e"</ETag></CompleteMultipartUploadResult>` + "\n",
			` <?xml version="1.0"?>   <CompleteMultipartUploadResult><Location>http://proxy/data/k</Location><Bucket>data</Bucket><Key>k</Key><ETag>"e"</ETag></CompleteMultipartUploadResult>` + "\n",
		},
		{
			"an error", `<Error><Code>NoSuchKey</Code><Key>team a/k</Key><BucketName>lake</BucketName><Resource>/lake/team a/k</Resource></Error>`,
			`<Error><Code>NoSuchKey</Code><Key>k</Key><BucketName>data</BucketName><Resource>/data/k</Resource></Error>`,
		},
		{"an error about something else", `<Error><Code>Oops</Code><Key>elsewhere/k</Key></Error>`, `<Error><Code>Oops</Code></Error>`},
		{"a name that is the same stays as it was spelled", `<ListPartsResult><Bucket>&#x64;at<![CDATA[a]]></Bucket></ListPartsResult>`, `<ListPartsResult><Bucket>&#x64;at<![CDATA[a]]></Bucket></ListPartsResult>`},
		{"an answer without names", `<CopyObjectResult><ETag>"e"</ETag></CopyObjectResult>`, `<CopyObjectResult><ETag>"e"</ETag></CopyObjectResult>`},
		{"nothing", "", ""},
	} {
		got, err := rewritten(Response{Place: Place{team, "k"}, Location: "http://proxy/data/k"}, c.from)
		if err != nil || got != c.to {
			t.Errorf("%s: %v\ngot  %s\nwant %s", c.name, err, got, c.to)
		}
	}
}

func TestEncodedKeysLoseTheirFolderToo(t *testing.T) {
	for _, key := range []string{"team%20a%2Fk%2F%C3%BC", "team+a/k%2F%C3%BC", "team a/k%2F%C3%BC"} {
		got, err := rewritten(Response{Place: Place{Bucket: team}, Encoded: true}, `<ListBucketResult><Contents><Key>`+key+`</Key></Contents></ListBucketResult>`)
		if err != nil || !strings.Contains(got, "<Key>k%2F%C3%BC</Key>") {
			t.Errorf("%s: %s, %v", key, got, err)
		}
	}
}

func TestWhatLiesOutsideOfTheFolderNeverPasses(t *testing.T) {
	for _, document := range []string{
		`<ListBucketResult><Contents><Key>secret/k</Key></Contents></ListBucketResult>`,
		`<ListBucketResult><Contents><Key>team</Key></Contents></ListBucketResult>`,
		`<ListBucketResult><Prefix>secret</Prefix></ListBucketResult>`,
		`<DeleteResult><Deleted><Key>secret</Key></Deleted></DeleteResult>`,
		`<ListBucketResult><Contents><Key>team a/k<x/>secret</Key></Contents></ListBucketResult>`,
		`<ListBucketResult><Contents><Key>secret</Key></ListBucketResult>`,
		`<ListBucketResult><Contents>`,
		`<ListObjectsResult><Contents><Key>secret</Key></Contents></ListObjectsResult>`,
		`{"Key": "secret"}`,
	} {
		got, err := rewritten(Response{Place: Place{Bucket: team}}, document)
		if err == nil || strings.Contains(got, "secret") {
			t.Errorf("%s: got %s, %v", document, got, err)
		}
	}
}

func TestRefusedKeysJoinTheAnswer(t *testing.T) {
	refused := Refusals([]Deletion{{Key: "a<b", VersionID: "v"}}, []*s3err.Error{s3err.AccessDenied})
	const entry = `<Error><Key>a&lt;b</Key><VersionId>v</VersionId><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`
	for from, to := range map[string]string{
		`<DeleteResult><Deleted><Key>team a/k</Key></Deleted></DeleteResult>`: `<DeleteResult><Deleted><Key>k</Key></Deleted>` + entry + `</DeleteResult>`,
		`<DeleteResult xmlns="x"/>`:        `<DeleteResult xmlns="x">` + entry + `</DeleteResult>`,
		`<s:DeleteResult xmlns:s="x"/>`:    `<s:DeleteResult xmlns:s="x">` + entry + `</s:DeleteResult>`,
		`<Error><Code>Oops</Code></Error>`: `<Error><Code>Oops</Code></Error>`,
	} {
		if got, err := rewritten(Response{Place: Place{Bucket: team}, Refused: refused}, from); got != to || err != nil {
			t.Errorf("%s: %v\ngot  %s\nwant %s", from, err, got, to)
		}
	}
}

// slow delivers one part of a document for every number that it receives.
type slow struct {
	parts []string
	next  chan int
}

func (s *slow) Read(p []byte) (int, error) {
	i, ok := <-s.next
	if !ok {
		return 0, io.EOF
	}
	return copy(p, s.parts[i]), nil
}

func TestSpacesThatKeepAConnectionAlivePassAtOnce(t *testing.T) {
	s := &slow{parts: []string{`<?xml version="1.0"?>`, " ", "\n", `<CopyObjectResult/>`}, next: make(chan int)}
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- Response{Place: Place{Bucket: team}}.Rewrite(bufio.NewWriter(writer), s, func() error { return nil })
	}()
	for i, part := range s.parts[:3] {
		s.next <- i
		got := make([]byte, len(part))
		if _, err := io.ReadFull(reader, got); err != nil || string(got) != part {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	s.next <- 3
	close(s.next)
	rest := make([]byte, len(s.parts[3]))
	if _, err := io.ReadFull(reader, rest); err != nil || string(rest) != s.parts[3] {
		t.Errorf("got %q, %v", rest, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestListsOfKeysToDelete(t *testing.T) {
	const ns = ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`
	list, err := ParseDeletions(strings.NewReader(`<?xml version="1.0"?><Delete` + ns + `><!-- c --><Object><Key>a&amp;b</Key></Object>
		<Object><Key>c&#10;d</Key><VersionId>v</VersionId><ETag>"e"</ETag><LastModifiedTime>t</LastModifiedTime><Size>0</Size></Object><Quiet>true</Quiet></Delete> `))
	if err != nil {
		t.Fatal(err)
	}
	body, err := list.Render(team)
	want := `<Delete` + ns + `><Object><Key>team a/a&amp;b</Key></Object><Object><Key>team a/c&#xA;d</Key><VersionId>v</VersionId>` +
		`<ETag>&#34;e&#34;</ETag><LastModifiedTime>t</LastModifiedTime><Size>0</Size></Object><Quiet>true</Quiet></Delete>`
	if got := strings.TrimPrefix(string(body), xml.Header); got != want || err != nil {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
	}
	list.Objects[0].Key = strings.Repeat("k", 1018)
	if _, err := list.Render(team); !errors.Is(err, s3err.KeyTooLong) {
		t.Errorf("a key that is too long with its folder: %v", err)
	}
}

func TestListsThatMayMeanSomethingElseToAStoreAreRefused(t *testing.T) {
	object := `<Object><Key>k</Key></Object>`
	for name, body := range map[string]string{
		"nothing":                   ``,
		"no list":                   `<Remove>` + object + `</Remove>`,
		"no keys":                   `<Delete></Delete>`,
		"an empty key":              `<Delete><Object><Key></Key></Object></Delete>`,
		"no key":                    `<Delete><Object><VersionId>v</VersionId></Object></Delete>`,
		"two keys in one object":    `<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>`,
		"an element that is new":    `<Delete>` + object + `<Prefix>all/</Prefix></Delete>`,
		"a field that is new":       `<Delete><Object><Key>a</Key><Recursive>true</Recursive></Object></Delete>`,
		"an element within a key":   `<Delete><Object><Key>a<b/>c</Key></Object></Delete>`,
		"a second list":             `<Delete>` + object + `</Delete><Delete>` + object + `</Delete>`,
		"two words for quiet":       `<Delete>` + object + `<Quiet>true</Quiet><Quiet>false</Quiet></Delete>`,
		"an entity of its own":      `<!DOCTYPE Delete [<!ENTITY x "y">]><Delete><Object><Key>&x;</Key></Object></Delete>`,
		"another encoding":          `<?xml version="1.0" encoding="UTF-16"?><Delete>` + object + `</Delete>`,
		"a list that ends too soon": `<Delete>` + object,
		"too many keys":             `<Delete>` + strings.Repeat(object, 1001) + `</Delete>`,
		"an object in an object":    `<Delete><Object><Key>k</Key>` + object + `</Object></Delete>`,
		"text in a list":            `<Delete>all` + object + `</Delete>`,
		"text in an object":         `<Delete><Object>all<Key>k</Key></Object></Delete>`,
		"a comment in a key":        `<Delete><Object><Key>k<!-- c -->l</Key></Object></Delete>`,
		"an empty key and another":  `<Delete><Object><Key/><Key>k</Key></Object></Delete>`,
		"two versions, one empty":   `<Delete><Object><Key>k</Key><VersionId/><VersionId>v</VersionId></Object></Delete>`,
		"a document type":           `<!DOCTYPE Delete><Delete>` + object + `</Delete>`,
		"an instruction":            `<?delete all?><Delete>` + object + `</Delete>`,
		"an ETag without end":       `<Delete><Object><Key>k</Key><ETag>` + strings.Repeat("v", 1025) + `</ETag></Object></Delete>`,
	} {
		if _, err := ParseDeletions(strings.NewReader(body)); !errors.Is(err, s3err.MalformedXML) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseDeletions(strings.NewReader(`<Delete><Object><Key>` + strings.Repeat("k", 1025) + `</Key></Object></Delete>`)); !errors.Is(err, s3err.KeyTooLong) {
		t.Errorf("a long key: %v", err)
	}
	for _, version := range []string{"../v", "a/b", `a\b`, ".", "..", "a&#10;b", "&#x7f;", strings.Repeat("v", 1025)} {
		body := `<Delete><Object><Key>k</Key><VersionId>` + version + `</VersionId></Object></Delete>`
		if _, err := ParseDeletions(strings.NewReader(body)); !errors.Is(err, s3err.InvalidArgument) {
			t.Errorf("the version %s: %v", version, err)
		}
	}
}

func TestAListIsReadNoFurtherThanItIsOne(t *testing.T) {
	object := `<Object><Key>k</Key></Object>`
	for name, body := range map[string]string{
		"an unknown element":     `<Delete>` + object + `<a/>`,
		"an unknown field":       `<Delete><Object><a/>`,
		"a nesting that is none": `<Delete><Object>` + object,
		"one object too many":    `<Delete>` + strings.Repeat(object, 1001),
		"another document":       `<a>`,
	} {
		rest := strings.NewReader(strings.Repeat("<a/>", 1<<20))
		size := rest.Len()
		if _, err := ParseDeletions(io.MultiReader(strings.NewReader(body), rest)); !errors.Is(err, s3err.MalformedXML) || size-rest.Len() > 8<<10 {
			t.Errorf("%s: %v after %d further bytes", name, err, size-rest.Len())
		}
	}
}

// What is parsed and rendered says the same again, so the store can't read a
// list other than the one that was authorised.
func FuzzDeletions(f *testing.F) {
	f.Add([]byte(`<Delete><Object><Key>a</Key><VersionId>v</VersionId></Object><Quiet>true</Quiet></Delete>`))
	f.Add([]byte(`<Delete xmlns="x"><Object><Key>&#x10FFFF;&#13;</Key></Object></Delete>`))
	whole := &stores.Bucket{Name: "b", Remote: "b"}
	f.Fuzz(func(t *testing.T, body []byte) {
		list, err := ParseDeletions(bytes.NewReader(body))
		if err != nil {
			return
		}
		rendered, err := list.Render(whole)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseDeletions(bytes.NewReader(rendered))
		if err != nil || again.Quiet != list.Quiet || !slices.Equal(again.Objects, list.Objects) {
			t.Fatalf("%q became %s: %v", body, rendered, err)
		}
	})
}

// However a response is made up, no name from outside the folder gets through.
func FuzzRewrite(f *testing.F) {
	f.Add(`<ListBucketResult><Name>lake</Name><Contents><Key>team a/k</Key></Contents></ListBucketResult>`, "<Error/>")
	f.Add(`<?xml?><DeleteResult/>`, "")
	f.Fuzz(func(t *testing.T, document, refused string) {
		got, err := rewritten(Response{Place: Place{team, "k"}, Location: "l", Refused: []byte(refused)}, document)
		if err != nil {
			return
		}
		var list struct {
			XMLName  xml.Name
			Name     []string
			Contents []struct{ Key []string }
		}
		if refused != "" || xml.Unmarshal([]byte(got), &list) != nil || list.XMLName.Local != "ListBucketResult" {
			return
		}
		for _, name := range list.Name {
			if name != "data" && name != "" {
				t.Fatalf("the name %q in %s", name, got)
			}
		}
	})
}
