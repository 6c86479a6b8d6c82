package config

import (
	"crypto/tls"
	"crypto/x509"
	"regexp"
	"time"

	"osp/go/seal"
	"osp/go/secret"
	"osp/go/shared/address"
)

// Shared is how a replica takes part in a fleet.
type Shared struct {
	Address   *address.Address
	Namespace string // of all that the fleet remembers
	Version   string // of the validator: replicas with another one share no answers; empty: none
	Keyring   seal.Keyring
	Timeout   time.Duration // of one command
	LocalUses bool          // presigned URLs are counted here while the state is away, instead of refused
	Required  bool          // the server does not start without the state
}

var namespace = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// RequireShared reports a configuration without a shared state as a mistake.
func (c *Config) RequireShared() error {
	if c.Shared != nil {
		return nil
	}
	mistakes := &MistakesError{}
	mistakes.add("shared_state", "is required for this")
	return mistakes
}

// readShared reads the keyring, and what belongs to the shared state, if there is one.
func (c *Config) readShared(top *dict) {
	keys := top.take("shared_keys")
	if keys != nil {
		c.Keyring = readKeyring(keys)
	}
	c.Shared = readState(top)
	if c.Shared == nil {
		return
	}
	c.Shared.Keyring = c.Keyring
	if keys == nil {
		top.mistakes.add("shared_keys", "is required with shared_state: one text at least, ID:KEY with 32 random bytes in base64")
	}
}

// readState reads what belongs to the shared state; nil without one.
func readState(top *dict) *Shared {
	state := top.take("shared_state")
	s := &Shared{}
	s.Timeout, _ = top.need("shared_timeout").seconds(time.Millisecond, maxTimeout)
	s.Version, _ = top.take("state_version").str()
	name := top.need("shared_namespace")
	if s.Namespace, _ = name.str(); s.Namespace != "" && !namespace.MatchString(s.Namespace) {
		name.reject("must have up to 64 letters, digits, dots, hyphens and underscores")
	}
	uses, _ := top.need("shared_uses").oneOf("closed", "local")
	s.LocalUses = uses == "local"
	s.Required, _ = top.take("shared_required").boolean()
	access := readSharedAccess(top)
	text, ok := state.str()
	if !ok {
		return nil
	}
	a, err := address.Parse(text)
	if err != nil {
		state.reject("%s", err)
		return nil
	}
	if access.User != "" {
		a.User = access.User
	}
	a.Password, a.CA, a.Cert, a.Key = access.Password, access.CA, access.Cert, access.Key
	s.Address = a
	return s
}

// readKeyring reads the keys, of which one at least has to be there.
func readKeyring(keys *value) seal.Keyring {
	if _, ok := keys.raw.([]any); !ok {
		keys.wrongType("a list")
		return seal.Keyring{}
	}
	items := keys.items()
	texts := make([]secret.Value, 0, len(items))
	for _, item := range items {
		text, ok := item.str()
		if !ok {
			return seal.Keyring{}
		}
		texts = append(texts, secret.New(text))
	}
	ring, at, err := seal.ParseKeyring(texts)
	switch {
	case err != nil && len(items) > 0:
		items[at].reject("%s", err)
	case err != nil:
		keys.reject("%s", err)
	}
	return ring
}

// readSharedAccess reads how to get in.
func readSharedAccess(top *dict) (a address.Address) {
	a.User, _ = top.take("shared_user").str()
	if password, ok := top.take("shared_password").str(); ok {
		a.Password = secret.New(password)
	}
	if file := top.take("shared_ca_file"); file != nil {
		a.CA = string(readFile(file))
		if a.CA != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(a.CA)) {
			file.reject("must name a file with PEM certificates")
		}
	}
	cert, key := top.take("shared_cert_file"), top.take("shared_key_file")
	switch {
	case cert == nil && key == nil:
		return a
	case cert == nil:
		key.reject("needs shared_cert_file")
		return a
	case key == nil:
		cert.reject("needs shared_key_file")
		return a
	}
	chain, private := readFile(cert), readFile(key)
	if chain == nil || private == nil {
		return a
	}
	if _, err := tls.X509KeyPair(chain, private); err != nil {
		cert.reject("must name a file with a PEM certificate, and shared_key_file one with its private key")
		return a
	}
	a.Cert, a.Key = string(chain), secret.New(string(private))
	return a
}
