package assume

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"osp/go/grants"
	"osp/go/secret"
	"osp/go/stores"
	"osp/go/upstream"
)

// double is an STS that checks what it is asked, and numbers the sessions it gives.
// respond, if there is one, responds in its place.
type double struct {
	*httptest.Server
	t       *testing.T
	respond http.HandlerFunc

	mu    sync.Mutex
	forms []url.Values
}

func newDouble(t *testing.T) *double {
	d := &double{t: t}
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	return d
}

func (d *double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	form, formErr := url.ParseQuery(string(body))
	if err != nil || formErr != nil || r.Method != http.MethodPost || r.RequestURI != "/" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		d.t.Errorf("STS was asked %s %s %v", r.Method, r.RequestURI, r.Header)
	}
	switch form.Get("Action") {
	case "AssumeRole":
		if err := verify(r, body); err != nil {
			d.t.Error(err)
		}
	case "AssumeRoleWithWebIdentity":
		if r.Header.Get("Authorization") != "" {
			d.t.Error("a request with a web identity is signed")
		}
	default:
		d.t.Errorf("the action %q", form.Get("Action"))
	}
	d.mu.Lock()
	d.forms = append(d.forms, form)
	n := len(d.forms)
	d.mu.Unlock()
	if d.respond != nil {
		d.respond(w, r)
		return
	}
	_, _ = io.WriteString(w, session(form.Get("Action"), n, time.Now().Add(time.Hour)))
}

func (d *double) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.forms)
}

// session is a response as AWS gives it.
func session(action string, n int, expires time.Time) string {
	return fmt.Sprintf(`<%sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult>
		<AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/lake/s</Arn><AssumedRoleId>AROA:s</AssumedRoleId></AssumedRoleUser>
		<Credentials><AccessKeyId>ASIA%[2]d</AccessKeyId><SecretAccessKey>secret/%[2]d</SecretAccessKey><SessionToken>session-%[2]d</SessionToken>
		<Expiration>%[3]s</Expiration></Credentials><PackedPolicySize>6</PackedPolicySize></%[1]sResult>
		<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></%[1]sResponse>`, action, n, expires.UTC().Format(time.RFC3339))
}

func refuse(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>%s</Code>
			<Message>pair-secret</Message></Error><RequestId>r</RequestId></ErrorResponse>`, code)
	}
}

// verify checks a signature as AWS describes it, for the service sts.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func verify(r *http.Request, body []byte) error {
	var access, date, region, service, signed, signature string
	auth := strings.NewReplacer("/", " ", "=", " ", ",", " ").Replace(r.Header.Get("Authorization"))
	n, _ := fmt.Sscanf(auth, "AWS4-HMAC-SHA256 Credential %s %s %s %s aws4_request SignedHeaders %s Signature %s", &access, &date, &region, &service, &signed, &signature)
	if n != 6 || access != "pair-access" || region != "eu-west-3" || service != "sts" {
		return fmt.Errorf("the signature is %q", r.Header.Get("Authorization"))
	}
	names := strings.Split(signed, ";")
	if !slices.Contains(names, "host") || !slices.Contains(names, "x-amz-date") {
		return fmt.Errorf("only %s are signed", names)
	}
	var headers strings.Builder
	for _, name := range names {
		value := r.Header.Get(name)
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, value)
	}
	hash := func(text string) string { sum := sha256.Sum256([]byte(text)); return hex.EncodeToString(sum[:]) }
	canonical := strings.Join([]string{"POST", "/", "", headers.String(), signed, hash(string(body))}, "\n")
	key := []byte("AWS4pair-secret")
	toSign := strings.Join([]string{"AWS4-HMAC-SHA256", r.Header.Get("X-Amz-Date"), date + "/" + region + "/sts/aws4_request", hash(canonical)}, "\n")
	for _, text := range []string{date, region, "sts", "aws4_request", toSign} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(text))
		key = mac.Sum(nil)
	}
	if hex.EncodeToString(key) != signature {
		return fmt.Errorf("the signature of %q does not verify", canonical)
	}
	return nil
}

// role is what a double gives keys for.
func (d *double) role() stores.Role {
	return stores.Role{
		ARN: "arn:aws:iam::1:role/lake", SessionName: "osp", ExternalID: "ext+1", Duration: time.Hour, Endpoint: d.URL, Region: "eu-west-3",
		AccessKey: "pair-access", SecretKey: secret.New("pair-secret"),
		Transport: stores.Transport{VerifyTLS: true, ConnectTimeout: 5 * time.Second, AnswerTimeout: 5 * time.Second},
	}
}

func newRoles(o grants.Options) *Roles { return New(Options{Options: o, Transport: upstream.Rare}) }
