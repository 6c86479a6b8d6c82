package pipeline

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"osp/go/callbacks"
)

// formOf makes a signed form upload to the bucket photos. Conditions and
// fields come on top of what every form needs; a field with the value "-" is
// left out.
type formOf struct {
	conditions []any
	fields     [][2]string
	file       string
	age        time.Duration
	change     func(body string) string
}

func hmacOf(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func (f formOf) request(r *rig) *http.Request {
	r.T.Helper()
	now := time.Now().UTC()
	stamp, day := now.Format("20060102T150405Z"), now.Format("20060102")
	credential := clientKey + "/" + day + "/us-east-1/s3/aws4_request"
	policy, err := json.Marshal(map[string]any{
		"expiration": now.Add(time.Minute - f.age).Format(time.RFC3339),
		"conditions": append([]any{
			map[string]string{"bucket": "photos"}, []string{"starts-with", "$key", "up/"},
			map[string]string{"x-amz-credential": credential}, map[string]string{"x-amz-algorithm": "AWS4-HMAC-SHA256"},
			map[string]string{"x-amz-date": stamp},
		}, f.conditions...),
	})
	if err != nil {
		r.T.Fatal(err)
	}
	encoded := base64.StdEncoding.EncodeToString(policy)
	key := hmacOf(hmacOf(hmacOf(hmacOf([]byte("AWS4"+clientSecret), day), "us-east-1"), "s3"), "aws4_request")
	fields := append([][2]string{
		{"key", "up/${filename}"}, {"X-Amz-Credential", credential}, {"X-Amz-Algorithm", "AWS4-HMAC-SHA256"},
		{"X-Amz-Date", stamp}, {"Policy", encoded}, {"X-Amz-Signature", hex.EncodeToString(hmacOf(key, encoded))},
	}, f.fields...)
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for i, field := range fields {
		replaced := false
		for _, later := range fields[i+1:] {
			replaced = replaced || later[0] == field[0]
		}
		if !replaced && field[1] != "-" {
			_ = w.WriteField(field[0], field[1])
		}
	}
	part, _ := w.CreateFormFile("file", `C:\fakepath\cat.jpg`)
	_, _ = part.Write([]byte(f.file))
	_ = w.Close()
	text := body.String()
	if f.change != nil {
		text = f.change(text)
	}
	req := r.Request("POST", "/photos", text)
	req.Header.Set("Content-Type", w.FormDataContentType())
	return req
}

func TestAFormIsStoredAsAnObject(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	file := strings.Repeat("file\r\n--", 50_000)
	a := r.Do(formOf{
		file:       file,
		conditions: []any{[]any{"content-length-range", 1, 1 << 20}, map[string]string{"acl": "private"}, []string{"starts-with", "$content-type", "image/"}},
		fields:     [][2]string{{"acl", "private"}, {"Content-Type", "image/jpeg"}},
	}.request(r))
	if a.StatusCode != 204 || a.Header.Get("ETag") != `"stored"` || !strings.HasSuffix(a.Header.Get("Location"), "/photos/up/cat.jpg") {
		t.Fatalf("got %d %v %s", a.StatusCode, a.Header, a.Content)
	}
	got := r.Store.Only(t)
	if got.Method != "PUT" || got.Target != "/photos/up/cat.jpg" || string(got.Body) != file || got.Length != int64(len(file)) {
		t.Errorf("the store saw %s %s with %d bytes", got.Method, got.Target, len(got.Body))
	}
	if got.Header.Get("X-Amz-Acl") != "private" || got.Header.Get("Content-Type") != "image/jpeg" || got.Header.Get("X-Amz-Signature") != "" {
		t.Errorf("the store saw %v", got.Header)
	}
}

func TestTheTagsOfAFormAreThoseOfTheObject(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	tags := `<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet><Tag><Key>a b</Key><Value>1&amp;2</Value></Tag><Tag><Key>c</Key><Value/></Tag></TagSet></Tagging>`
	a := r.Do(formOf{file: "x", fields: [][2]string{{"tagging", tags}}, conditions: []any{[]string{"starts-with", "$tagging", ""}}}.request(r))
	if got := r.Store.Only(t).Header.Get("X-Amz-Tagging"); a.StatusCode != 204 || got != "a+b=1%262&c=" {
		t.Errorf("got %d, the store saw %s", a.StatusCode, got)
	}
}

func TestAFormsAnswerIsWhatItAskedFor(t *testing.T) {
	created := [][2]string{{"success_action_status", "201"}}
	redirect := [][2]string{{"success_action_redirect", "https://app.example/done?x=1"}}
	covered := []any{[]string{"starts-with", "$success_action_status", ""}}
	redirected := []any{[]string{"starts-with", "$success_action_redirect", "https://app.example/"}}

	r := start(t, callbacks.Set{}, nil)
	a := r.Do(formOf{file: "x", fields: created, conditions: covered}.request(r))
	if a.StatusCode != 201 || !strings.Contains(string(a.Content), "<Key>up/cat.jpg</Key>") || !strings.Contains(string(a.Content), "<Bucket>photos</Bucket>") {
		t.Errorf("got %d %s", a.StatusCode, a.Content)
	}
	a = r.Do(formOf{file: "x", fields: redirect, conditions: redirected}.request(r))
	if want := "https://app.example/done?bucket=photos&etag=%22stored%22&key=up%2Fcat.jpg&x=1"; a.StatusCode != 303 || a.Header.Get("Location") != want {
		t.Errorf("got %d to %s", a.StatusCode, a.Header.Get("Location"))
	}
	a = r.Do(formOf{file: "x", fields: [][2]string{{"success_action_redirect", "javascript:alert(1)"}}, conditions: []any{[]string{"starts-with", "$success_action_redirect", ""}}}.request(r))
	if a.StatusCode != 204 {
		t.Errorf("a redirect to no http URL: got %d", a.StatusCode)
	}
}

func TestAFormThatBreaksItsPolicyIsRefused(t *testing.T) {
	limits := []any{[]any{"content-length-range", 2, 4}}
	for _, c := range []struct {
		name   string
		form   formOf
		status int
		code   string
	}{
		{"an expired policy", formOf{file: "x", age: time.Hour}, 403, "AccessDenied"},
		{"a key outside the policy", formOf{file: "x", fields: [][2]string{{"key", "elsewhere"}}}, 403, "AccessDenied"},
		{"a field that the policy does not name", formOf{file: "x", fields: [][2]string{{"acl", "public-read"}}}, 403, "AccessDenied"},
		{"an acl that is two fields", formOf{file: "x", fields: [][2]string{{"acl", "private\r\nx-amz-tagging: a=b"}}, conditions: []any{[]any{"starts-with", "$acl", "private"}}}, 400, "InvalidArgument"},
		{"a field that S3 lacks", formOf{file: "x", fields: [][2]string{{"x-amz-grant-evil", "a"}}, conditions: []any{map[string]string{"x-amz-grant-evil": "a"}}}, 501, "NotImplemented"},
		{"a file that is too small", formOf{file: "x", conditions: limits}, 400, "EntityTooSmall"},
		{"a file that is too large", formOf{file: "xxxxx", conditions: limits}, 400, "EntityTooLarge"},
		{"no signature", formOf{file: "x", fields: [][2]string{{"X-Amz-Signature", "-"}}}, 400, "InvalidArgument"},
		{"a wrong signature", formOf{file: "x", fields: [][2]string{{"X-Amz-Signature", strings.Repeat("0", 64)}}}, 403, "SignatureDoesNotMatch"},
		{"an altered policy", formOf{file: "x", change: func(s string) string { return strings.Replace(s, "eyJ", "eyK", 1) }}, 403, "SignatureDoesNotMatch"},
		{"a copy source", formOf{file: "x", fields: [][2]string{{"x-amz-copy-source", "other/k"}}, conditions: []any{[]string{"starts-with", "$x-amz-copy-source", ""}}}, 501, "NotImplemented"},
		{"a key that climbs", formOf{file: "x", fields: [][2]string{{"key", "up/../k"}}}, 400, "InvalidURI"},
		{"another bucket", formOf{file: "x", fields: [][2]string{{"bucket", "other"}}}, 403, "AccessDenied"},
		{"no file", formOf{change: func(s string) string { return strings.Replace(s, `name="file"`, `name="other"`, 1) }}, 400, "InvalidArgument"},
		{"no closing boundary", formOf{file: strings.Repeat("x", 100_000), change: func(s string) string { return s[:len(s)-8] }}, 400, "InvalidRequest"},
		{"a field behind the file", formOf{file: "x", change: func(s string) string {
			boundary := s[:strings.Index(s, "\r\n")]
			return strings.TrimSuffix(s, "--\r\n") + "\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n" + boundary + "--\r\n"
		}}, 400, "IncompleteBody"},
		{"endless lines", formOf{file: "x", fields: [][2]string{{"x-ignore-me", strings.Repeat("\n", 3000)}}}, 400, "MaxMessageLengthExceeded"},
		{"endless fields", formOf{file: "x", fields: [][2]string{{"x-ignore-me", strings.Repeat("x", 100_000)}}}, 400, "MaxMessageLengthExceeded"},
		{"tags that two parsers read differently", formOf{file: "x", fields: [][2]string{{"tagging", `<!DOCTYPE Tagging><Tagging/>`}}, conditions: []any{[]string{"starts-with", "$tagging", ""}}}, 400, "MalformedXML"},
		{"a line break in a header", formOf{file: "x", fields: [][2]string{{"x-amz-meta-a", "b\r\nX-Evil: 1"}}, conditions: []any{[]string{"starts-with", "$x-amz-meta-a", ""}}}, 400, "InvalidArgument"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, callbacks.Set{}, nil)
			r.Refuses(c.form.request(r), c.status, c.code)
		})
	}
}

func TestTheValidatorSeesTheKeyOfAForm(t *testing.T) {
	var seen *callbacks.Request
	h := callbacks.Set{ValidatorSeesRequest: true, Validator: func(_ context.Context, r *callbacks.Request) (callbacks.Decision, error) {
		seen = r
		return callbacks.Decision{}, nil
	}}
	r := start(t, h, nil)
	r.Refuses(formOf{file: "x"}.request(r), 403, "AccessDenied")
	if seen.Operation != "PostObject" || seen.Key != "up/cat.jpg" || seen.Token != clientKey {
		t.Errorf("the validator saw %+v", seen)
	}
}

// Where the file begins does not depend on how the form arrives, or on what the
// file begins with.
func TestAFormIsReadUpToItsFileAndNoFurther(t *testing.T) {
	for _, file := range []string{"", "x", "\n", "\r\n", "\r\n\r\n", " folded: like a header", "\tx", "a: header\r\n\r\nx", "--c", "\r\n--", "-", strings.Repeat("line\n", 50_000)} {
		body := "--b\r\nContent-Disposition: form-data; name=\"Key\"\r\n\r\na\r\nb\n\r\n--b\r\nContent-Disposition: form-data;\r\n name=\"file\"\r\nContent-Type: x\r\n\r\n" +
			file + "\r\n--b--\r\n"
		for name, wire := range map[string]io.Reader{
			"at once": strings.NewReader(body), "byte by byte": iotest.OneByteReader(strings.NewReader(body)),
			"with its end": iotest.DataErrReader(strings.NewReader(body)), "in halves": iotest.HalfReader(strings.NewReader(body)),
		} {
			r := &http.Request{ContentLength: int64(len(body)), Header: http.Header{"Content-Type": {"multipart/form-data; boundary=b"}}}
			f, err := readForm(r, wire)
			if err != nil {
				t.Fatalf("%s, file %.20q: %v", name, file, err)
			}
			got, err := io.ReadAll(f.file)
			if err != nil || string(got) != file || f.length != int64(len(file)) || len(f.fields) != 1 || f.field("key") != "a\r\nb\n" {
				t.Errorf("%s: the file is %.20q of %d bytes, %v; want %.20q", name, got, f.length, err, file)
			}
		}
	}
}

func TestSoManyFormsAreReadAtATime(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	places := r.pipeline.forms
	for i := range maxForms - 1 {
		if _, err := places.acquire(strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	if a := r.Do(formOf{file: "x"}.request(r)); a.StatusCode != 204 { // and gives its place back
		t.Fatalf("got %d %s", a.StatusCode, a.Content)
	}
	slow, err := net.Dial("tcp", strings.TrimPrefix(r.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	_, _ = io.WriteString(slow, "POST /photos HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n")
	if line, err := bufio.NewReader(slow).ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
		t.Fatalf("got %q, %v", line, err) // it is being read from here on
	}
	a := r.Do(formOf{file: "x"}.request(r))
	if a.StatusCode != 503 || a.Code() != "SlowDown" || a.Header.Get("Retry-After") == "" {
		t.Errorf("got %d %s", a.StatusCode, a.Content)
	}
	if a := r.Do(r.Signed("PUT", "/photos/k", "x")); a.StatusCode != 200 {
		t.Errorf("all but forms: got %d %s", a.StatusCode, a.Content)
	}
	_ = slow.Close()
	for taken := maxForms; taken == maxForms; { // until its place is free
		places.mu.Lock()
		taken = places.taken
		places.mu.Unlock()
	}
	if a := r.Do(formOf{file: "x"}.request(r)); a.StatusCode != 204 {
		t.Errorf("got %d %s", a.StatusCode, a.Content)
	}
}

func TestAnAddressHasAShareOfFormsAndPreflights(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"trusted_proxies": []string{"127.0.0.1/32"}})
	for range formsEach {
		if _, err := r.pipeline.forms.acquire("192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	for range preflightsEach {
		if _, err := r.pipeline.preflights.acquire("192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	for address, want := range map[string]struct{ form, preflight int }{"192.0.2.1": {503, 403}, "192.0.2.2": {204, 200}} {
		form, preflight := formOf{file: "x"}.request(r), r.Request("OPTIONS", "/photos/k", "")
		preflight.Header.Set("Origin", "https://app.example")
		preflight.Header.Set("Access-Control-Request-Method", "PUT")
		form.Header.Set("X-Forwarded-For", address)
		preflight.Header.Set("X-Forwarded-For", address)
		if a := r.Do(form); a.StatusCode != want.form {
			t.Errorf("a form of %s: %d %s", address, a.StatusCode, a.Content)
		}
		if a := r.Do(preflight); a.StatusCode != want.preflight {
			t.Errorf("a preflight of %s: %d %s", address, a.StatusCode, a.Content)
		}
	}
}

func TestOfAFormTheValidatorSeesWhatTheStoreGets(t *testing.T) {
	var seen http.Header
	h := callbacks.Set{ValidatorSeesRequest: true, Validator: func(_ context.Context, q *callbacks.Request) (callbacks.Decision, error) {
		seen = q.Header()
		return callbacks.Decision{Allow: true}, nil
	}}
	r := start(t, h, nil)
	req := formOf{file: "x", fields: [][2]string{{"Cache-Control", "no-store"}, {"x-amz-meta-owner", "\u00a0a,\tb"}},
		conditions: []any{map[string]string{"Cache-Control": "no-store"}, []string{"starts-with", "$x-amz-meta-owner", ""}}}.request(r)
	for _, name := range []string{"If-None-Match", "Content-Disposition", "Expires", "Content-Encoding"} {
		req.Header.Set(name, "*")
	}
	if a := r.Do(req); a.StatusCode != 204 {
		t.Fatalf("got %d %s", a.StatusCode, a.Content)
	}
	got := r.Store.Only(t).Header
	for name := range seen {
		if name != "Host" && got.Get(name) != seen.Get(name) {
			t.Errorf("the validator saw %s: %q, the store %q", name, seen.Get(name), got.Get(name))
		}
	}
	if seen.Get("Cache-Control") != "no-store" || seen.Get("X-Amz-Meta-Owner") != "a, b" || seen.Get("Host") == "" {
		t.Errorf("the validator saw %v", seen)
	}
}
