package config

import (
	"crypto/tls"
	"crypto/x509"
	"time"

	"osp/go/secret"
	"osp/go/stores"
)

func readTransport(d *dict, verifyTLS bool) stores.Transport {
	t := stores.Transport{
		VerifyTLS:      verifyTLS,
		ConnectTimeout: readSeconds(d, "connect_timeout", defaultConnectTimeout, time.Millisecond),
		AnswerTimeout:  readSeconds(d, "answer_timeout", defaultAnswerTimeout, time.Millisecond),
	}
	t.TrustEnv, _ = d.take("trust_env").boolean()
	if file := d.take("ca_file"); file != nil {
		t.CA = string(readFile(file))
		if t.CA != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(t.CA)) {
			file.reject("must name a file with PEM certificates")
		}
	}
	readClient(d, &t)
	return t
}

func readClient(d *dict, t *stores.Transport) {
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

func readSeconds(d *dict, key string, fallback, low time.Duration) time.Duration {
	if t, ok := d.take(key).seconds(low, maxTimeout); ok {
		return t
	}
	return fallback
}
