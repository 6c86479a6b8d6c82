package sts

import (
	"context"
	"net/url"
	"testing"
	"time"

	"osp/go/identity"
)

func TestWhoeverIsAskedKnowsWhenTheRequestCame(t *testing.T) {
	came := noon.Add(-3 * time.Second)
	for name, c := range map[string]struct {
		values url.Values
		from   Caller
	}{
		"by a role": {byRole(), plain()}, "by an identity": {byIdentity(), Caller{}}, "a session token": {form(getSessionToken), plain()},
	} {
		d := newDesk()
		c.from.Since = came
		if _, err := d.ask(c.values, c.from); err != nil || !d.asked.Since.Equal(came) {
			t.Errorf("%s: %v, %v", name, d.asked, err)
		}
	}
	d := newDesk()
	clock := came
	d.Now = func() time.Time { return clock }
	identify := d.Identify
	d.Identify = func(ctx context.Context, token string) (*identity.Identity, error) {
		clock = noon // the issuer was asked for its keys
		return identify(ctx, token)
	}
	if _, err := d.Container(t.Context(), "role=reader", []string{idToken}, ""); err != nil || !d.asked.Since.Equal(came) {
		t.Errorf("in a container: %v, %v", d.asked, err)
	}
}
