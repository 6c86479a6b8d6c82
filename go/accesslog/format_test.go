package accesslog

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"osp/go/observe"
	"osp/go/session"
)

func TestTheFormats(t *testing.T) {
	for format, want := range map[Format]string{
		JSON: `{"time":"2026-01-02T03:04:05.001506Z","request_id":"ID","client":"192.0.2.7","access_key":"AKIAEXAMPLE","token":"","role":"","session":"","method":"GET",` +
			`"operation":"GetObject","bucket":"photos","key":"a%20b","copy_source":"","status":206,"code":"","refused_by":"","limit":"","bytes_in":1,"bytes_out":2,"bytes_copied":0,` +
			`"total":0.001500,"upstream":0.001000,"callback":0.000002,"presigned":true,"scheme":"https","protocol":"HTTP/1.1","user_agent":"agent/1"}`,
		Logfmt: `time=2026-01-02T03:04:05.001506Z request_id=ID client=192.0.2.7 access_key=AKIAEXAMPLE token= role= session= method=GET operation=GetObject ` +
			`bucket=photos key=a%20b copy_source= status=206 code= refused_by= limit= bytes_in=1 bytes_out=2 bytes_copied=0 total=0.001500 upstream=0.001000 callback=0.000002 ` +
			`presigned=true scheme=https protocol=HTTP/1.1 user_agent=agent/1`,
		Combined: `192.0.2.7 - AKIAEXAMPLE [02/Jan/2026:03:04:05 +0000] "GET /photos/a%20b HTTP/1.1" 206 2 "https://example.com/page" "agent/1"`,
	} {
		if got := string(format.line(nil, &request)); got != want {
			t.Errorf("%s:\n%s, want\n%s", format, got, want)
		}
	}
}

func TestALineNamesTheLimitThatRefused(t *testing.T) {
	x := &observe.Exchange{Status: 503, Code: "SlowDown", Limit: observe.Limit{Rule: "token.write", Measure: "requests"}}
	for format, want := range map[Format]string{JSON: `"limit":"token.write.requests"`, Logfmt: " limit=token.write.requests "} {
		if got := string(format.line(nil, x)); !strings.Contains(got, want) {
			t.Errorf("%s: %s", format, got)
		}
	}
}

func TestAnUnreadableRequestHasALineToo(t *testing.T) {
	x := &observe.Exchange{Status: 400, Code: "InvalidURI"}
	if got := string(Combined.line(nil, x)); !strings.HasPrefix(got, `- - - [01/Jan/0001`) || !strings.HasSuffix(got, `"  " 400 0 "-" "-"`) {
		t.Error(got)
	}
	if got := JSON.line(nil, x); !json.Valid(got) {
		t.Errorf("%s", got)
	}
}

// nasty are texts with which somebody may try to forge a line, to break its
// reader or to affect the terminal that shows it.
var nasty = []string{
	"\n{\"status\":200}", "a\r\nb", "\"", `\`, "\x00", "\x1b[2J", "\x7f", "\xff\xfe", "\u2028", "\u009b31m", "\u202eabc", "\" 200 0 \"", "a b=c", "\ufffd", "\xed\xa0\x80",
	strings.Repeat("x", 100_000), strings.Repeat("ü", 10_000),
}

func TestNoTextForgesALine(t *testing.T) {
	combinedLine := regexp.MustCompile(`^\S+ - \S+ \[[^]]+\] "(?:[^"\\]|\\x..)*" \d+ \d+ "(?:[^"\\]|\\x..)*" "(?:[^"\\]|\\x..)*"$`)
	for _, text := range nasty {
		x := &observe.Exchange{
			RequestID: text, Scheme: text, Proto: text, Method: text, Path: text, Referer: text, UserAgent: text, Client: text,
			AccessKey: text, Operation: text, Bucket: text, Key: text, CopySource: text, Code: text, Status: 200,
			Session: &session.Session{Token: text, Role: text, Name: text},
		}
		for _, format := range []Format{JSON, Logfmt, Combined} {
			line := string(format.line(nil, x))
			if !utf8.ValidString(line) || strings.ContainsFunc(line, dangerous) {
				t.Errorf("%s of %.20q: %.300q", format, text, line)
			}
			switch format {
			case JSON:
				var got map[string]any
				if err := json.Unmarshal([]byte(line), &got); err != nil || len(got) != 26 || got["status"] != 200.0 {
					t.Errorf("%.20q: %v in %.300s", text, err, line)
				}
			case Combined:
				if !combinedLine.MatchString(line) {
					t.Errorf("%.20q: %.300s", text, line)
				}
			case Logfmt:
				if n := logfmtFields(line); n != 26 {
					t.Errorf("%.20q: %d fields in %.300s", text, n, line)
				}
			}
		}
	}
}

func dangerous(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e'
}

// logfmtFields counts the fields as a reader of logfmt does.
func logfmtFields(line string) int {
	return len(regexp.MustCompile(`(?:^| )[a-z_]+=(?:"(?:[^"\\]|\\.)*"|[^ "]*)`).FindAllString(line, -1))
}

func TestTextsSurviveInJSON(t *testing.T) {
	for _, text := range nasty {
		if !utf8.ValidString(text) {
			continue
		}
		var got string
		if err := json.Unmarshal(quote(nil, text), &got); err != nil || got != text {
			t.Errorf("%.20q became %.20q, %v", text, got, err)
		}
	}
}

func TestAKeyThatMayBeATokenIsNotShown(t *testing.T) {
	token := "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"
	x := request
	x.AccessKey = "ASIAEXAMPLE"
	x.Session = &session.Session{Token: token}
	for _, format := range []Format{JSON, Logfmt} {
		if line := string(format.line(nil, &x)); strings.Contains(line, token[4:12]) || !strings.Contains(line, "eyJh...sha256:") {
			t.Errorf("%s in a session: %s", format, line)
		}
	}
	x.AccessKey = token
	for _, format := range []Format{JSON, Logfmt, Combined} {
		line := string(format.line(nil, &x))
		if strings.Contains(line, token[4:12]) || !strings.Contains(line, "eyJh...sha256:") {
			t.Errorf("%s: %s", format, line)
		}
	}
	if a, b := observe.ShortKey(token), observe.ShortKey(token+"x"); a == b || a != observe.ShortKey(token) {
		t.Errorf("%s and %s", a, b)
	}
}

func FuzzJSONLine(f *testing.F) {
	for _, text := range nasty {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		x := &observe.Exchange{Begun: time.Unix(0, 0), UserAgent: text, Bucket: text, AccessKey: text, Key: text}
		line := JSON.line(nil, x)
		if !json.Valid(line) || strings.ContainsFunc(string(line), dangerous) {
			t.Errorf("%q", line)
		}
	})
}
