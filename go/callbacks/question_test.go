package callbacks

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestStringsKeepEveryByte(t *testing.T) {
	for text, want := range map[string]string{
		"plain":           `"plain"`,
		`quote " and \`:   `"quote \" and \\"`,
		"\x00\n\x7f":      `"\u0000\u000a\u007f"`,
		"ü 日 🚀":           `"ü 日 🚀"`,
		"\xff\x80a":       `"\udcff\udc80a"`,
		"\xed\xb0\x80":    `"\udced\udcb0\udc80"`, // a surrogate in UTF-8 is no UTF-8
		"\xc3":            `"\udcc3"`,
		"\u2028</script>": "\"\u2028</script>\"",
	} {
		if got := string(appendString(nil, text)); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

// Two different strings never look alike, and what is UTF-8 arrives as it is.
func FuzzStrings(f *testing.F) {
	f.Add("a", "b")
	f.Add("\xff", `\udcff`)
	f.Fuzz(func(t *testing.T, a, b string) {
		one, two := string(appendString(nil, a)), string(appendString(nil, b))
		if (a == b) != (one == two) {
			t.Fatalf("%q and %q become %s and %s", a, b, one, two)
		}
		var back string
		if err := json.Unmarshal([]byte(one), &back); err != nil {
			t.Fatalf("%q: %v", a, err)
		}
		if utf8.ValidString(a) && back != a {
			t.Fatalf("%q came back as %q", a, back)
		}
	})
}

func TestNoParameterPassesForAFact(t *testing.T) {
	r := &Request{
		Token: "t", Bucket: "b", Method: "PUT", Path: "/b/k", Key: "k", Operation: "PutObject", ContentLength: 7, Presigned: true,
		Header: func() http.Header { return http.Header{"X-A": {"1", "2"}} },
	}
	for fact := range facts {
		r.Query = append(r.Query, Param{Name: fact, Value: "forged"})
	}
	r.Query = append(r.Query, Param{Name: "prefix", Value: "one"}, Param{Name: "prefix", Value: "two"}, Param{Name: "__class__", Value: "x"})
	raw := r.encode()
	var question struct{ Request map[string]any }
	if err := json.Unmarshal(raw, &question); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	got := question.Request
	for fact := range facts {
		if got[fact] == "forged" {
			t.Errorf("%s was forged", fact)
		}
		if strings.Count(string(raw), `"`+fact+`":`) > 2 { // once here, and bucket in the question itself
			t.Errorf("%s is there more than once: %s", fact, raw)
		}
	}
	if got["method"] != "PUT" || got["key"] != "k" || got["content_length"] != 7.0 || got["presigned"] != true || got["prefix"] != "one" {
		t.Errorf("got %v", got)
	}
	if headers := got["headers"].(map[string]any); headers["x-a"] != "1, 2" {
		t.Errorf("headers: %v", headers)
	}
	if query := got["query"].([]any); len(query) != len(r.Query) {
		t.Errorf("query: %v", query)
	}
}

func TestAValidatorOfTwoSeesNoRequest(t *testing.T) {
	if got := string((&Request{Token: "t", Bucket: "b"}).encode()); got != `{"token":"t","bucket":"b"}` {
		t.Errorf("got %s", got)
	}
}
