package sts

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"time"

	"osp/go/session"
)

const namespace = "https://sts.amazonaws.com/doc/2011-06-15/"

// Response is what a client gets.
type Response struct {
	action string
	result any
}

// XML is the body of the response. It holds secrets.
func (r *Response) XML(requestID string) []byte {
	return document(struct {
		XMLName   xml.Name
		Result    named
		RequestID string `xml:"ResponseMetadata>RequestId"`
	}{xml.Name{Space: namespace, Local: r.action + "Response"}, named{r.action + "Result", r.result}, requestID})
}

func document(v any) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	if err := xml.NewEncoder(&b).Encode(v); err != nil {
		panic(err) // texts and numbers can't fail
	}
	return b.Bytes()
}

// named is a value whose element has a name of its own.
type named struct {
	name  string
	value any
}

// MarshalXML implements xml.Marshaler.
func (n named) MarshalXML(e *xml.Encoder, _ xml.StartElement) error {
	return e.EncodeElement(n.value, xml.StartElement{Name: xml.Name{Local: n.name}})
}

// credentials are keys as they are written. In memory their secrets never print.
type credentials struct{ session.Keys }

func (c credentials) expiration() string { return c.Expires.UTC().Format(time.RFC3339) }

// MarshalXML implements xml.Marshaler.
func (c credentials) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	return e.EncodeElement(struct {
		AccessKeyID     string `xml:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string
		Expiration      string
	}{c.AccessKey, c.Secret.Reveal(), c.Token.Reveal(), c.expiration()}, start)
}

// MarshalJSON implements json.Marshaler, in the form of container credentials.
func (c credentials) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		Token           string
		Expiration      string
	}{c.AccessKey, c.Secret.Reveal(), c.Token.Reveal(), c.expiration()})
}

type roleResult struct {
	Credentials      credentials
	AssumedRoleUser  assumedUser
	PackedPolicySize int
	SourceIdentity   string `xml:",omitempty"`
}

type identityResult struct {
	roleResult
	Subject  string `xml:"SubjectFromWebIdentityToken"`
	Provider string
	Audience string
}

type tokenResult struct{ Credentials credentials }

type scopedResult struct {
	Credentials         credentials
	SessionInfo         scopedSession
	SourceIdentity      string `xml:",omitempty"`
	ScopedPoliciesCount int
}
