package sts

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/xml"
	"strings"

	"osp/go/access"
	"osp/go/observe"
	"osp/go/session"
)

// account stands where AWS names one. There are none here.
const account = "000000000000"

// roleOf is the name in the ARN of a role, which has one behind the first slash. The
// account is not compared.
func roleOf(arn string) string {
	_, name, _ := strings.Cut(arn, ":role/")
	return name
}

// arnOf is the ARN of a role.
func arnOf(role string) string { return "arn:aws:iam::" + account + ":role/" + role }

// assumedUser is what answers call a session of a role.
type assumedUser struct {
	AssumedRoleID string `xml:"AssumedRoleId"`
	Arn           string
}

func userOf(s *session.Session) assumedUser {
	return assumedUser{roleID(s.Role) + ":" + s.Name, "arn:aws:sts::" + account + ":assumed-role/" + s.Role + "/" + s.Name}
}

// roleID is the same at every replica, and has the look of AWS's.
func roleID(role string) string {
	sum := sha256.Sum256([]byte(role))
	return "AROA" + base32.StdEncoding.EncodeToString(sum[:])[:17]
}

// callerResult says who has signed.
type callerResult struct {
	Arn     string
	UserID  string `xml:"UserId"`
	Account string
}

func identityOf(p *access.Principal) callerResult {
	if s := p.Session; s != nil && s.Role != "" {
		user := userOf(s)
		return callerResult{user.Arn, user.AssumedRoleID, account}
	}
	// It may be a token that opens something, and answers of this action get around.
	name := observe.ShortKey(p.Token())
	return callerResult{"arn:aws:iam::" + account + ":user/" + name, name, account}
}

// scopedSession is the same in the words of GetScopedCredentials.
type scopedSession struct{ callerResult }

// MarshalXML implements xml.Marshaler.
func (s scopedSession) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	return e.EncodeElement(struct {
		Arn             string
		ScopedSessionID string `xml:"ScopedSessionId"`
	}{s.Arn, s.UserID}, start)
}

// trim takes the newline off a token that a client has read from a file.
func trim(token string) string { return strings.TrimSpace(token) }
