package identity

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"osp/go/wire"
)

const maxDocument = 1 << 20

// client asks one issuer.
type client struct {
	http   *http.Client
	issuer Issuer
}

func newClient(issuer Issuer) *client {
	return &client{issuer: issuer, http: &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil, // keys come from the issuer itself
			DialContext:            (&net.Dialer{Timeout: fetchTime / 2}).DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: issuer.CAs, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    fetchTime / 2,
			ResponseHeaderTimeout:  fetchTime / 2,
			MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConns:           1,
			IdleConnTimeout:        time.Second, // it is asked every few minutes
			ForceAttemptHTTP2:      true,
		},
		// Keys from elsewhere would be somebody else's.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// get returns a document. Its errors don't quote it.
func (c *client) get(ctx context.Context, from string) ([]byte, error) {
	if err := CheckURL(from); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, errURL
	}
	// A Kubernetes API server has its keys as a jwk-set only.
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	shown, err := c.present(req)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusOK:
	case c.issuer.TokenFile != "" && !shown:
		return nil, fmt.Errorf("the status is %d at %s, which is not shown the token of token_file: it is neither the issuer's host nor that of jwks_url", resp.StatusCode, req.URL.Host)
	default:
		return nil, fmt.Errorf("the status is %d", resp.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxDocument:
		return nil, fmt.Errorf("the response has more than %d bytes", maxDocument)
	}
	return data, nil
}

// present shows an issuer who we are, if it wants to know, as a Kubernetes API server does.
// Where keys are, a document says, which must not send our token to whom it likes.
func (c *client) present(req *http.Request) (shown bool, err error) {
	if c.issuer.TokenFile == "" || !sameOrigin(req.URL, c.issuer.URL) && !sameOrigin(req.URL, c.issuer.JWKS) {
		return false, nil
	}
	text, err := readTokenFile(c.issuer.TokenFile)
	if err != nil {
		return false, err
	}
	req.Header.Set("Authorization", "Bearer "+text)
	return true, nil
}

// sameOrigin compares as RFC 6454 does, but takes a port that is left out for another than
// the default one that is named.
func sameOrigin(u *url.URL, text string) bool {
	other, err := url.Parse(text)
	return err == nil && u.Scheme == other.Scheme && strings.EqualFold(u.Host, other.Host)
}

// discover returns where the issuer says that its keys are (OpenID Connect Discovery 1.0).
func (s *keySet) discover(ctx context.Context) (string, error) {
	data, err := s.client.get(ctx, strings.TrimSuffix(s.issuer.URL, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return "", err
	}
	var document struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	switch {
	case json.Unmarshal(data, &document) != nil:
		return "", errors.New("the response is not a JSON object with issuer and jwks_uri")
	case document.Issuer != s.issuer.URL:
		return "", errors.New("the document is another issuer's")
	case strings.HasPrefix(s.issuer.URL, "https:") && !strings.HasPrefix(document.JWKS, "https:"):
		return "", errURL
	}
	return document.JWKS, nil
}

var errURL = errors.New("must be a URL with https, or with http to a loopback address, without user, query and fragment")

// CheckURL refuses addresses from which keys could come that somebody else has put there.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		return errURL
	case u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())):
		return errURL
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// readTokenFile returns a token that somebody else renews. Its errors don't quote it.
func readTokenFile(name string) (string, error) {
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO would wait for who writes into it
	if err != nil {
		return "", errors.New("token_file can't be opened")
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxToken))
	text := strings.TrimSpace(string(data))
	if err != nil || text == "" || strings.ContainsFunc(text, wire.NotVisible) {
		return "", errors.New("token_file holds no token")
	}
	return text, nil
}
