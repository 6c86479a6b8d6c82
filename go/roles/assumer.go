package roles

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"osp/go/cache"
	"osp/go/callbacks"
	"osp/go/policy"
)

const (
	answersKept = 1024
	// keepAnswer is how long an answer serves those who ask the same. Keys that were
	// given by it last longer in any case.
	keepAnswer = 30 * time.Second
)

// assumer asks the owner's callback.
type assumer struct {
	ask     callbacks.Callback[*callbacks.RoleQuestion, callbacks.RoleAnswer]
	answers *cache.Cache[[sha256.Size]byte, callbacks.RoleAnswer]
}

func newAssumer(ask callbacks.Callback[*callbacks.RoleQuestion, callbacks.RoleAnswer], now func() time.Time) *assumer {
	return &assumer{ask, cache.New[[sha256.Size]byte, callbacks.RoleAnswer](answersKept, now)}
}

func (a *assumer) forget() {
	a.answers.DeleteFunc(func([sha256.Size]byte, callbacks.RoleAnswer) bool { return true })
}

// narrow asks about a wish, and changes its session as the answer says.
func (a *assumer) narrow(ctx context.Context, w *wish) error {
	question := w.question()
	answer, err := a.answers.Get(ctx, question.Digest(), func(ctx context.Context) (cache.Entry[callbacks.RoleAnswer], error) {
		answer, err := a.ask(ctx, question)
		if errors.Is(err, callbacks.ErrOverloaded) {
			err = cache.ForAll(err) // each of those who wait would wait as long again
		}
		return cache.Entry[callbacks.RoleAnswer]{Value: answer, TTL: keepAnswer}, err
	})
	if err != nil {
		return callbacks.Refusal(ctx, err)
	}
	if !answer.Assumed {
		return w.denied(refusal("refused by the role_assumer"))
	}
	if answer.Policy != "" {
		if _, err := policy.ParseSession([]byte(answer.Policy)); err != nil {
			return w.denied(err)
		}
		w.session.Policies = append(w.session.Policies, answer.Policy)
	}
	if answer.Name != "" {
		w.session.Name, w.session.Named = answer.Name, true
	}
	if answer.Token != "" {
		w.session.Token = answer.Token
	}
	if answer.Claims != nil {
		w.session.Claims = answer.Claims
	}
	if answer.Tags != nil {
		w.session.Tags = answer.Tags
	}
	if answer.Length > 0 {
		w.length = min(w.length, answer.Length)
	}
	return nil
}

func (w *wish) question() *callbacks.RoleQuestion {
	q := &callbacks.RoleQuestion{
		Action: w.Action, Role: w.Role, Configured: w.session.Configured, SessionName: w.SessionName, Duration: w.Duration, Tags: w.Tags,
		SourceIdentity: w.SourceIdentity, ExternalID: w.ExternalID, ClientIP: w.ClientIP,
	}
	if w.Identity == nil {
		q.Caller, q.CallerExpires = w.Caller.AccessKey, w.Caller.Expires
		return q
	}
	q.Identity = &callbacks.RoleIdentity{
		Issuer: w.Identity.Issuer, Subject: w.Identity.Subject, Audiences: w.Identity.Audiences, Claims: w.Identity.Claims,
	}
	return q
}
