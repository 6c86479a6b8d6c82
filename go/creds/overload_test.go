package creds

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/callbacks"
	"osp/go/s3err"
	"osp/go/secret"
)

func TestAFetcherWithoutAnAnswerKeepsNobodyWaitingTwice(t *testing.T) {
	for name, failure := range map[string]struct {
		err   error
		asked int32
		want  error
	}{
		"too late": {callbacks.ErrOverloaded, 1, s3err.SlowDown},
		"raised":   {errors.New("boom"), 40, s3err.AccessDenied}, // it may have been about one of them
	} {
		var asked atomic.Int32
		late := func() error {
			asked.Add(1)
			time.Sleep(time.Second)
			return failure.err
		}
		keys := NewClientKeys(func(context.Context, callbacks.HMACQuestion) (callbacks.Secret, error) {
			return callbacks.Secret{}, late()
		}, time.Hour, Options{})
		stores := New(func(context.Context, callbacks.BucketCredsQuestion) (secret.Text, error) {
			return secret.Text{}, late()
		}, noBearer, nil, Options{})
		b := bucket("b", time.Hour)
		for of, ask := range map[string]func(context.Context) error{
			"hmac_fetcher": func(ctx context.Context) error {
				_, err := keys.Secret(ctx, nil, "k")
				return err
			},
			"bucket_creds_fetcher": func(ctx context.Context) error {
				_, err := stores.For(ctx, b, "t")
				return err
			},
			"bucket_creds_fetcher, again": func(ctx context.Context) error {
				_, _, err := stores.Renew(ctx, b, "t", Credentials{AccessKey: "old"}, true)
				return err
			},
		} {
			t.Run(of+", "+name, func(t *testing.T) {
				asked.Store(0)
				synctest.Test(t, func(t *testing.T) {
					var wg sync.WaitGroup
					for range 40 {
						wg.Go(func() {
							if err := ask(t.Context()); !errors.Is(err, failure.want) {
								t.Errorf("got %v", err)
							}
						})
					}
					wg.Wait()
				})
				if asked.Load() != failure.asked {
					t.Errorf("asked %d times", asked.Load())
				}
			})
		}
	}
}
