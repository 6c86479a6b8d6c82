package roles

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"osp/go/cache"
	"osp/go/callbacks"
	"osp/go/identity"
	"osp/go/s3err"
	"osp/go/session"
)

// bearersKept is how many tokens are remembered with what they are good for.
const bearersKept = 4096

// bearing is a token that was shown for a role, from somewhere: a hash, so that no token
// lies around.
type bearing [sha256.Size]byte

func bearingOf(raw, role, clientIP string) bearing {
	var stack [2048]byte // longer tokens spill to the heap
	b := stack[:0]
	for _, text := range []string{raw, role, clientIP} {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	return sha256.Sum256(b)
}

// Bearer returns the session of who shows an identity token for a role instead of keys.
// It ends with the token, at the latest, and counts as old as that, or as the first request with it here: a revocation ends
// it however often the token is shown again. It is kept until it ends, so that a warm
// request verifies nothing. Errors are values of package s3err, or ctx's own.
func (r *Roles) Bearer(ctx context.Context, raw, role, clientIP string) (*session.Session, error) {
	bearers, key := r.current.Load().bearers, bearingOf(raw, role, clientIP)
	if s, ok := bearers.Lookup(key); ok {
		return s, nil
	}
	return bearers.Get(ctx, key, func(ctx context.Context) (cache.Entry[*session.Session], error) {
		s, err := r.bear(ctx, raw, role, clientIP)
		if err != nil {
			return cache.Entry[*session.Session]{}, err
		}
		return cache.Entry[*session.Session]{Value: s, TTL: s.Expires.Sub(r.now())}, nil
	})
}

func (r *Roles) bear(ctx context.Context, raw, role, clientIP string) (*session.Session, error) {
	i, err := r.Verify(ctx, raw)
	if err != nil {
		return nil, bearerRefusal(ctx, err)
	}
	s, err := r.Assume(ctx, &Request{Action: webIdentity, Role: role, SessionName: "bearer", ClientIP: clientIP, Identity: i})
	if errors.Is(err, s3err.AccessDenied) { // who has asked S3 hears of no action of STS
		return nil, errNotTheirs.Because(errors.Unwrap(err))
	}
	if err != nil {
		return nil, err
	}
	s.Issued, s.Since = i.Issued, i.Issued
	if end := i.Expires; end.Before(s.Expires) {
		s.Expires = end
	}
	if !s.Expires.After(r.now()) {
		return nil, s3err.ExpiredToken.Because(identity.ErrExpired)
	}
	return &s, nil
}

var errNotTheirs = s3err.AccessDenied.Msg("The identity token gives no access to this bucket.")

const webIdentity = "AssumeRoleWithWebIdentity"

// bearerRefusal says in S3's words what is wrong with a token.
func bearerRefusal(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, identity.ErrExpired):
		return s3err.ExpiredToken.Because(err)
	case errors.Is(err, identity.ErrAway):
		return s3err.ServiceUnavailable.Because(err)
	case errors.Is(err, identity.ErrInvalid), errors.Is(err, identity.ErrRejected):
		return s3err.InvalidToken.Because(err)
	}
	return callbacks.Refusal(ctx, err)
}

func newBearers(now func() time.Time) *cache.Cache[bearing, *session.Session] {
	return cache.New[bearing, *session.Session](bearersKept, now)
}
