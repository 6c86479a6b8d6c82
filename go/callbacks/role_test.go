package callbacks

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestARoleIsAskedForWithAllThatIsKnown(t *testing.T) {
	q := &RoleQuestion{
		Action: "AssumeRoleWithWebIdentity", Role: "reader", Configured: true, SessionName: "job", Duration: time.Hour, Tags: map[string]string{"b": "2", "a": "1"},
		SourceIdentity: "s", ExternalID: "x", ClientIP: "192.0.2.1",
		Identity: &RoleIdentity{"https://issuer", "alice", []string{"s3"}, map[string]any{"n": json.Number("1.50"), "g": []any{"a", "<b>"}}},
	}
	const want = `{"request":{"action":"AssumeRoleWithWebIdentity","role":"reader","configured":true,"session_name":"job","duration":3600,"tags":{"a":"1","b":"2"},` +
		`"source_identity":"s","external_id":"x","client_ip":"192.0.2.1","identity":{"issuer":"https://issuer","subject":"alice","audiences":["s3"],` +
		`"claims":{"g":["a","\u003cb\u003e"],"n":1.50}}}}`
	if got := string(q.encode()); got != want {
		t.Errorf("got %s", got)
	}
	signed := &RoleQuestion{Action: "GetSessionToken", Caller: "alice"}
	const short = `{"request":{"action":"GetSessionToken","role":"","configured":false,"session_name":"","tags":{},"source_identity":"","external_id":"","client_ip":"","caller":{"access_key":"alice"}}}`
	if got := string(signed.encode()); got != short {
		t.Errorf("got %s", got)
	}
	signed.CallerExpires = time.Unix(1800000000, 5)
	if got := string(signed.encode()); !strings.Contains(got, `"caller":{"access_key":"alice","expires":1800000000}`) {
		t.Errorf("got %s", got)
	}
	if signed.Digest() == q.Digest() || signed.crowd() != known || q.crowd() != anonymous {
		t.Error("two questions are alike")
	}
}

func TestAnAnswerAboutARoleSaysWhatTheSessionIs(t *testing.T) {
	a, err := decodeRole([]byte(`{"assumed":true,"name":"n","token":"t","claims":{"g":["a","b"]},"tags":{},"policy":"{}","duration":1.5}`))
	if err != nil || !a.Assumed || a.Name != "n" || a.Token != "t" || len(a.Claims["g"]) != 2 || a.Tags == nil || a.Policy != "{}" || a.Length != 1500*time.Millisecond {
		t.Errorf("got %+v, %v", a, err)
	}
	for _, wrong := range []string{`{"name":"n"}`, `{"assumed":true,"duration":0.5}`, `{"assumed":true,"duration":-1}`, `{"assumed":true,"claims":{"g":"a"}}`,
		`{"assumed":true,"tags":{"a":1}}`, `{"assumed":"true"}`} {
		if a, err := decodeRole([]byte(wrong)); err == nil || a.Assumed {
			t.Errorf("%s: %+v", wrong, a)
		}
	}
}
