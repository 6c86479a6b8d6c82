package callbacks

import (
	"crypto/x509"
	"encoding/json"
	"net"
	"net/url"
	"reflect"
	"testing"
	"time"

	"osp/go/session"
)

func TestAQuestionSaysWhoHoldsTheKey(t *testing.T) {
	r := &Request{
		Token: "alice", Bucket: "photos", Method: "GET", Query: []Param{{"session", "forged"}, {"client_certificate", "forged"}},
		Session: &session.Session{
			Role: "analyst", Name: "laptop", Token: "alice", Issuer: "https://issuer.example", Subject: "a1", SourceIdentity: "source",
			Claims: map[string][]string{"groups": {"a", "b\xff"}}, Tags: map[string]string{"team": "blue"}, Policies: []string{"{}"},
			AccessKey: "ASIAEXAMPLE", Expires: time.Unix(1800000000, 5000),
		},
		Certificate: &x509.Certificate{
			RawSubject: nameOf(t, one(typeO, "Example"), one(typeCN, "alice")), DNSNames: []string{"a.example"},
			EmailAddresses: []string{"a@example.com"}, URIs: []*url.URL{{Scheme: "spiffe", Host: "example", Path: "/a"}}, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)},
		},
	}
	var got struct {
		Request struct {
			Session     map[string]any `json:"session"`
			Certificate map[string]any `json:"client_certificate"`
		} `json:"request"`
	}
	if err := json.Unmarshal(r.encode(), &got); err != nil {
		t.Fatal(err)
	}
	if want := map[string]any{
		"role": "analyst", "name": "laptop", "issuer": "https://issuer.example", "subject": "a1", "source_identity": "source",
		"claims": map[string]any{"groups": []any{"a", "b\ufffd"}}, "tags": map[string]any{"team": "blue"}, // Go has no lone surrogates
		"access_key": "ASIAEXAMPLE", "expires": 1800000000.0,
	}; !reflect.DeepEqual(got.Request.Session, want) {
		t.Errorf("got %v", got.Request.Session)
	}
	if want := map[string]any{
		"subject": "CN=alice,O=Example", "dns_names": []any{"a.example"}, "email_addresses": []any{"a@example.com"},
		"uris": []any{"spiffe://example/a"}, "ip_addresses": []any{"192.0.2.1"},
	}; !reflect.DeepEqual(got.Request.Certificate, want) {
		t.Errorf("got %v", got.Request.Certificate)
	}
	r.Session, r.Certificate = nil, nil
	got.Request.Session, got.Request.Certificate = nil, nil
	if err := json.Unmarshal(r.encode(), &got); err != nil || got.Request.Session != nil || got.Request.Certificate != nil {
		t.Errorf("a query forges a holder: %v, %v", err, got)
	}
}
