package proxy

import (
	"errors"
	"time"

	"osp/go/config"
	"osp/go/session"
)

// Issue makes the temporary keys that a document asks for, as config.ParseIssuance reads
// it. Its error is a *config.MistakesError.
func (s *Server) Issue(document []byte) (session.Keys, error) {
	keys, err := issue(s.pipeline.Sessions(), document)
	if err == nil && s.cfg.Keyring.Empty() {
		s.temporary.Do(func() {
			s.log.Warn("shared_keys is not given: temporary keys end with this process, and no other replica knows them")
		})
	}
	return keys, err
}

// Issue does the same by the keyring of a configuration, without a server.
func Issue(cfg *config.Config, document []byte) (session.Keys, error) {
	if err := cfg.RequireKeyring(); err != nil {
		return session.Keys{}, err
	}
	return issue(session.New(cfg.Keyring, nil), document)
}

func issue(by *session.Issuer, document []byte) (session.Keys, error) {
	s, err := config.ParseIssuance(document, time.Now())
	if err != nil {
		return session.Keys{}, err
	}
	keys, _, err := by.Issue(s)
	if errors.Is(err, session.ErrTooLarge) {
		return session.Keys{}, &config.MistakesError{Mistakes: []config.Mistake{{Message: "claims and policy are too large for a session token, which has room for 4 KB"}}}
	}
	return keys, err
}
