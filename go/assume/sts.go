package assume

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"osp/go/grants"
	"osp/go/secret"
	"osp/go/stores"
	"osp/go/wire"
)

const (
	apiVersion    = "2011-06-15"
	longestToken  = 20_000 // of a web identity, as AWS's model has it
	maxErrorShown = 64
)

// request makes the request for a role's keys.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
func request(ctx context.Context, r stores.Role, now time.Time) (*http.Request, error) {
	form, err := formOf(r)
	if err != nil {
		return nil, err
	}
	body := form.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.Endpoint, strings.NewReader(body))
	if err != nil {
		return nil, errors.New("the endpoint is not a URL")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", "") // none, and not net/http's own
	if r.TokenFile != "" {
		return req, nil // the token is the proof
	}
	hash := sha256.Sum256([]byte(body))
	pair := aws.Credentials{AccessKeyID: r.AccessKey, SecretAccessKey: r.SecretKey.Reveal()}
	return req, v4.NewSigner().SignHTTP(ctx, pair, req, hex.EncodeToString(hash[:]), "sts", r.Region, now)
}

func formOf(r stores.Role) (url.Values, error) {
	form := url.Values{
		"Action": {"AssumeRole"}, "Version": {apiVersion}, "RoleArn": {r.ARN}, "RoleSessionName": {r.SessionName},
		"DurationSeconds": {strconv.Itoa(int(r.Duration / time.Second))},
	}
	if r.ExternalID != "" {
		form.Set("ExternalId", r.ExternalID)
	}
	if r.TokenFile != "" {
		token, err := readToken(r.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("web_identity_token_file: %w", err)
		}
		form.Set("Action", "AssumeRoleWithWebIdentity")
		form.Set("WebIdentityToken", token)
	}
	return form, nil
}

// readToken reads the token of a web identity, which whoever issues it replaces from
// time to time.
func readToken(name string) (string, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return "", withoutPath(err)
	case !info.Mode().IsRegular(): // a FIFO would wait for who writes into it
		return "", errors.New("is not a regular file")
	case info.Size() > longestToken:
		return "", errors.New("is longer than any token")
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return "", withoutPath(err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" || strings.ContainsFunc(token, wire.NotVisible) {
		return "", errors.New("does not hold one token")
	}
	return token, nil
}

func withoutPath(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// credentials are what a response has in either of its two forms.
type credentials struct {
	AccessKeyID     string `xml:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      time.Time
}

// readKeys reads a response with status 200. The keys' life counts from before the
// request, by our own clock; when it began by the service's, its Date says.
func readKeys(resp grants.Response, r stores.Role, asked time.Time) (grant, error) {
	var answer struct {
		Signed credentials `xml:"AssumeRoleResult>Credentials"`
		Web    credentials `xml:"AssumeRoleWithWebIdentityResult>Credentials"`
	}
	if xml.Unmarshal(resp.Body, &answer) != nil { // its error may quote a key
		return grant{}, errors.New("its response is not the XML of STS")
	}
	c := answer.Signed
	if r.TokenFile != "" {
		c = answer.Web
	}
	for _, text := range []string{c.AccessKeyID, c.SecretAccessKey, c.SessionToken} {
		if text == "" || strings.ContainsFunc(text, wire.NotVisible) {
			return grant{}, errors.New("its response has no keys that could be used")
		}
	}
	began, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		began = asked
	}
	life := min(c.Expiration.Sub(began), r.Duration)
	if life <= 0 {
		return grant{}, errors.New("its keys have already expired")
	}
	return grant{
		Value: keys{c.AccessKeyID, secret.New(c.SecretAccessKey), secret.New(c.SessionToken)},
		Asked: asked, Expires: asked.Add(life),
	}, nil
}

// errorCode returns the service's name for what is wrong, such as AccessDenied, in
// STS's form or, from a store that has no STS, in S3's.
func errorCode(body []byte) string {
	var answer struct {
		STS string `xml:"Error>Code"`
		S3  string `xml:"Code"`
	}
	if xml.Unmarshal(body, &answer) != nil {
		return ""
	}
	code := answer.STS + answer.S3
	if len(code) > maxErrorShown {
		return ""
	}
	return code
}

// passing reports whether a code in a response with status 400 is about a fault that
// passes. (https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html)
func passing(code string) bool {
	switch code {
	case "Throttling", "ThrottlingException", "RequestLimitExceeded", "IDPCommunicationError":
		return true
	}
	return false
}
