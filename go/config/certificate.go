package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"strings"
)

// The parameters by which owners give the pair.
const (
	certPath = "tls_cert_path"
	keyPath  = "tls_key_path"
)

// readCertificate loads the pair of the HTTPS front.
func readCertificate(m *MistakesError, cert, private *value) *tls.Certificate {
	chain := readPEM(m, certPath, cert)
	key := readPEM(m, keyPath, private)
	if chain != nil && !holdsCertificate(chain) {
		m.add(certPath, "must name a file with a PEM certificate that can be parsed")
		return nil
	}
	if chain == nil || key == nil {
		return nil
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		m.add(keyPath, "must name a file with the PEM private key of the certificate, not encrypted")
		return nil
	}
	return &pair
}

// readPEM returns the content of a file, or nil after reporting the mistake.
// The name is not repeated: people put the key itself into such variables.
func readPEM(m *MistakesError, parameter string, path *value) []byte {
	if path == nil {
		m.add(parameter, "is required with https_port; the environment variable %s gives it too", strings.ToUpper(parameter))
		return nil
	}
	return readFile(&value{m, parameter, path.raw})
}

// readFile returns the content of a file that a value names, or nil after
// reporting the mistake.
func readFile(path *value) []byte {
	name, ok := path.str()
	if !ok {
		return nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		path.reject("cannot be read: %v", err)
		return nil
	}
	if data == nil {
		data = []byte{}
	}
	return data
}

// holdsCertificate reports whether the first certificate in the file can be
// parsed, which tells a bad certificate from a bad key.
func holdsCertificate(data []byte) bool {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			_, err := x509.ParseCertificate(block.Bytes)
			return err == nil
		}
	}
	return false
}
