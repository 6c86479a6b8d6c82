package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// The parameters by which owners give the pair.
const (
	certPath = "tls_cert_path"
	keyPath  = "tls_key_path"
)

// TLS is how the HTTPS front shows who it is, and whom it lets in.
type TLS struct {
	Cert, Key   string           // absolute paths of the PEM files, which may change
	Certificate *tls.Certificate // what they held when they were read
	ClientCAs   *x509.CertPool   // of whom clients need a certificate; nil: they need none
}

// Load reads the files anew.
func (t *TLS) Load() (*tls.Certificate, error) {
	chain, err := readRegular(t.Cert)
	if err != nil {
		return nil, err
	}
	key, err := readRegular(t.Key)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, err
	}
	return &pair, nil
}

// readTLS reads what belongs to the HTTPS front.
func readTLS(m *MistakesError, cert, private, clientCA *value) *TLS {
	pair := readCertificate(m, cert, private)
	clients := readAuthorities(clientCA)
	if pair == nil {
		return nil
	}
	t := &TLS{Cert: cert.raw.(string), Key: private.raw.(string), Certificate: pair, ClientCAs: clients}
	for _, path := range []*string{&t.Cert, &t.Key} {
		if absolute, err := filepath.Abs(*path); err == nil { // the process may go elsewhere
			*path = absolute
		}
	}
	return t
}

// readCertificate loads the pair.
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

// readAuthorities reads those whose certificates clients may show.
func readAuthorities(path *value) *x509.CertPool {
	if path == nil {
		return nil
	}
	data := readFile(path)
	if data == nil {
		return nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		path.reject("must name a file with PEM certificates")
	}
	return pool
}

// readPEM returns the content of a file, or nil after reporting the mistake.
// The name is not repeated: people put the key itself into such variables.
func readPEM(m *MistakesError, parameter string, path *value) []byte {
	if path == nil {
		m.add(parameter, "is required with https_port; the environment variable %s can give it too", strings.ToUpper(parameter))
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
	data, err := readRegular(name)
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

// errNotRegular refuses files that could hold up their reader: a FIFO waits for
// who writes into it, and many a device has no end.
var errNotRegular = errors.New("not a regular file")

// readRegular returns the content of a regular file.
func readRegular(name string) ([]byte, error) {
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() && !info.IsDir() { // reading tells of a directory
		return nil, &fs.PathError{Op: "read", Path: name, Err: errNotRegular}
	}
	return io.ReadAll(file)
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
