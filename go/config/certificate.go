package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
)

// The environment variables by which owners give the pair; mistakes are
// reported under these names.
const (
	certVariable = "TLS_CERT_PATH"
	keyVariable  = "TLS_KEY_PATH"
)

// readCertificate loads the pair of the HTTPS front.
func readCertificate(m *MistakesError, certPath, keyPath *value) *tls.Certificate {
	chain := readPEM(m, certVariable, certPath)
	key := readPEM(m, keyVariable, keyPath)
	if chain != nil && !holdsCertificate(chain) {
		m.add(certVariable, "must name a file with a PEM certificate that can be parsed")
		return nil
	}
	if chain == nil || key == nil {
		return nil
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		m.add(keyVariable, "must name a file with the PEM private key of the certificate, not encrypted")
		return nil
	}
	return &pair
}

// readPEM returns the content of a file, or nil after reporting the mistake.
// The name is not repeated: people put the key itself into such variables.
func readPEM(m *MistakesError, variable string, path *value) []byte {
	if path == nil {
		m.add(variable, "is required with https_port")
		return nil
	}
	path = &value{m, variable, path.raw}
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
