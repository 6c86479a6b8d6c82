package config

import (
	"crypto/tls"
	"crypto/x509"
	"time"

	"osp/go/secret"
)

// What an entry means when it does not say.
const (
	DefaultConnectTimeout = 10 * time.Second
	DefaultAnswerTimeout  = 60 * time.Second
)

// Transport says how a store is reached. Entries for which it is equal share
// their connections.
type Transport struct {
	VerifyTLS bool         // check the store's certificate
	CA        string       // PEM certificates to trust instead of the system's; empty: the system's
	Cert      string       // PEM chain with which the proxy shows who it is; empty: it does not
	Key       secret.Value // goes with Cert
	TrustEnv  bool         // HTTPS_PROXY and its like count

	ConnectTimeout time.Duration // until a connection stands, without TLS
	AnswerTimeout  time.Duration // from the end of a request to the first byte of its answer
}

func readTransport(d *dict, verifyTLS bool) Transport {
	t := Transport{
		VerifyTLS:      verifyTLS,
		ConnectTimeout: readSeconds(d, "connect_timeout", DefaultConnectTimeout, time.Millisecond),
		AnswerTimeout:  readSeconds(d, "answer_timeout", DefaultAnswerTimeout, time.Millisecond),
	}
	t.TrustEnv, _ = d.take("trust_env").boolean()
	if file := d.take("ca_file"); file != nil {
		t.CA = string(readFile(file))
		if t.CA != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(t.CA)) {
			file.reject("must name a file with PEM certificates")
		}
	}
	t.readClient(d)
	return t
}

func (t *Transport) readClient(d *dict) {
	cert, key := d.take("client_cert_file"), d.take("client_key_file")
	switch {
	case cert == nil && key == nil:
		return
	case cert == nil:
		d.mistakes.add(d.at("client_cert_file"), "is required with client_key_file")
		return
	case key == nil:
		d.mistakes.add(d.at("client_key_file"), "is required with client_cert_file")
		return
	}
	chain, private := readFile(cert), readFile(key)
	if chain == nil || private == nil {
		return
	}
	if _, err := tls.X509KeyPair(chain, private); err != nil {
		cert.reject("must name a file with a PEM certificate, and client_key_file one with its private key")
		return
	}
	t.Cert, t.Key = string(chain), secret.New(string(private))
}
