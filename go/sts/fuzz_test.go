package sts

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"osp/go/s3err"
)

// Whatever is asked comes to keys or to an error that a client may see, and whatever a
// client says, the response is XML.
func FuzzRequest(f *testing.F) {
	for _, v := range []string{byIdentity("Policy", reading).Encode(), byRole("Tags.member.1.Key", "a", "Tags.member.1.Value", "b").Encode(),
		form(getScopedCredentials, "DurationSeconds", "9").Encode(), form(getSessionToken).Encode(), form(getCallerIdentity).Encode()} {
		f.Add("POST", v, "", "alice")
		f.Add("POST", "", v, "a\x00<&")
	}
	f.Add("GET", "Action=%", "&&=&", "")
	f.Fuzz(func(t *testing.T, method, query, body, accessKey string) {
		d := newDesk()
		from := inSession()
		from.Principal.AccessKey, from.Principal.Session.Name = accessKey, accessKey
		r, err := Read(method, query, []byte(body))
		var response *Response
		if err == nil {
			response, err = d.Answer(context.Background(), r, from)
		}
		if err == nil {
			wellFormed(t, response.XML("id"))
			return
		}
		var refusal *s3err.Error
		if !errors.As(err, &refusal) || refusal.Status < 400 {
			t.Fatalf("no answer for a client: %v", err)
		}
		if longest := 300; len(refusal.Message) > longest {
			t.Fatalf("a long message: %s", refusal.Message)
		}
		wellFormed(t, ErrorXML(Translate(refusal), query))
	})
}

func wellFormed(t *testing.T, document []byte) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(string(document)))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v: %s", err, document)
		}
	}
}

func FuzzContainer(f *testing.F) {
	f.Add("role=reader", idToken)
	f.Add("role=&role", "\xff")
	f.Fuzz(func(t *testing.T, query, header string) {
		body, err := newDesk().Container(context.Background(), query, []string{header}, "")
		var refusal *s3err.Error
		if (err == nil) == (body == nil) || err != nil && !errors.As(err, &refusal) {
			t.Fatalf("%s: %v", body, err)
		}
	})
}
