package observe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/cache"
	"osp/go/callbacks"
	"osp/go/secret"
)

func TestEveryEndOfAQuestionHasItsOutcome(t *testing.T) {
	for _, c := range []struct {
		allow bool
		err   error
		want  string
	}{
		{true, nil, Answered},
		{false, nil, Refused},
		{true, errors.New("raised"), Failed},
		{false, fmt.Errorf("late: %w", callbacks.ErrOverloaded), Overloaded},
		{false, context.Canceled, Abandoned},
	} {
		var got []Callback
		h := callbacks.Set{
			ValidatorSeesRequest: true,
			Validator: func(context.Context, *callbacks.Request) (callbacks.Decision, error) {
				return callbacks.Decision{Allow: c.allow}, c.err
			},
		}.With(Questions(func(seen Callback) { got = append(got, seen) }))
		d, err := h.Validator(t.Context(), nil)
		if d.Allow != (c.allow && c.err == nil) || err != c.err || !h.ValidatorSeesRequest {
			t.Errorf("the answer changed: %v, %v", d, err)
		}
		if len(got) != 1 || got[0].Outcome != c.want || got[0].Name != "validator" || got[0].Took < 0 {
			t.Errorf("%v, %v: got %+v, want %s", c.allow, c.err, got, c.want)
		}
	}
}

func TestAQuestionWhoseAskerHasLeftIsSeenOnceAndWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []Callback
		h := callbacks.Set{
			Validator: func(context.Context, *callbacks.Request) (callbacks.Decision, error) {
				time.Sleep(time.Minute)
				return callbacks.Decision{Allow: true}, nil
			},
		}.With(Questions(func(seen Callback) { got = append(got, seen) }), callbacks.Limits(1, 1, time.Hour))
		c := cache.New[string, bool](1, nil)
		c.Here()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, _ = c.Get(ctx, "k", func(ctx context.Context) (cache.Entry[bool], error) {
			d, err := h.Validator(ctx, &callbacks.Request{Token: "t"})
			return cache.Entry[bool]{Value: d.Allow, TTL: time.Hour}, err
		})
		time.Sleep(time.Hour) // in which the worker ends, too
		synctest.Wait()
		if len(got) != 1 || got[0].Outcome != Answered || got[0].Took != time.Minute {
			t.Errorf("got %+v", got)
		}
	})
}

func TestFetchersAreObservedByTheirNames(t *testing.T) {
	var got []string
	h := callbacks.Set{
		HMACFetcher: func(context.Context, callbacks.HMACQuestion) (callbacks.Secret, error) {
			return callbacks.Secret{}, callbacks.ErrUnknownKey
		},
		BucketCredsFetcher: func(context.Context, callbacks.BucketCredsQuestion) (secret.Text, error) {
			return secret.NewText("k"), nil
		},
	}.With(Questions(func(seen Callback) { got = append(got, seen.Name+" "+seen.Outcome) }))
	if h.Validator != nil {
		t.Error("a callback that the owner did not give")
	}
	_, _ = h.HMACFetcher(t.Context(), callbacks.HMACQuestion{AccessKey: "a"})
	_, _ = h.BucketCredsFetcher(t.Context(), callbacks.BucketCredsQuestion{Token: "a", Bucket: "b"})
	if fmt.Sprint(got) != "[hmac_fetcher refused bucket_creds_fetcher answered]" {
		t.Errorf("got %v", got)
	}
}

func TestALogShowsSoMuchOfAClientsWords(t *testing.T) {
	if got := Clip("a word"); got != "a word" {
		t.Errorf("got %q", got)
	}
	if got := Clip(strings.Repeat("x", 1<<20)); len(got) > longestText+3 {
		t.Errorf("got %d bytes", len(got))
	}
}
