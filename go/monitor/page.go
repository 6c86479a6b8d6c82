package monitor

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
)

// The parts of the status page, which is one document: it loads nothing but
// /status.json.
var (
	//go:embed page/status.html
	pageHTML []byte
	//go:embed page/status.css
	pageCSS []byte
	//go:embed page/status.js
	pageJS []byte
)

// statusPage puts the page together, with the Content-Security-Policy that
// allows its own script and style by their hashes, and nothing else
// (https://www.w3.org/TR/CSP3/#grammardef-hash-source).
func statusPage() (page []byte, policy string) {
	page = bytes.Replace(pageHTML, []byte("/*style*/"), pageCSS, 1)
	page = bytes.Replace(page, []byte("/*script*/"), pageJS, 1)
	policy = "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
		"style-src " + sourceHash(pageCSS) + "; script-src " + sourceHash(pageJS)
	return page, policy
}

func sourceHash(text []byte) string {
	sum := sha256.Sum256(text)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
