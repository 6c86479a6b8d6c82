package serving

import (
	"context"
	"errors"
	"testing"
)

func TestARequestsContextIsOneOfPackageContext(t *testing.T) {
	type key struct{}
	for name, derive := range map[string]func(context.Context) context.Context{
		"itself":       func(c context.Context) context.Context { return c },
		"with a value": func(c context.Context) context.Context { return context.WithValue(c, key{}, 1) },
		"with another's end": func(c context.Context) context.Context {
			c, cancel := context.WithCancel(c)
			t.Cleanup(cancel)
			return c
		},
	} {
		origin := &Context{}
		ctx := derive(origin)
		if ctx.Err() != nil || ctx.Value(origin) != nil {
			t.Errorf("%s: begins with %v", name, ctx.Err())
		}
		if _, has := ctx.Deadline(); has {
			t.Errorf("%s: has a deadline", name)
		}
		called, spared := false, false
		ran, early := make(chan struct{}), ctx.Done()
		context.AfterFunc(ctx, func() { called = true; close(ran) })
		stop := context.AfterFunc(ctx, func() { spared = true })
		if !stop() || stop() {
			t.Errorf("%s: what was to be done after it was not stopped once", name)
		}
		origin.Cancel()
		origin.Cancel()
		<-early
		<-ctx.Done()
		<-ran
		if !called || spared || !errors.Is(ctx.Err(), context.Canceled) || !errors.Is(context.Cause(ctx), context.Canceled) {
			t.Errorf("%s: ended with %v, called %v, called after a stop %v", name, ctx.Err(), called, spared)
		}
		late := make(chan struct{})
		stop = context.AfterFunc(ctx, func() { close(late) })
		<-late
		if stop() {
			t.Errorf("%s: what had been done was stopped", name)
		}
	}
}

func TestAContextThatEndedUnasked(t *testing.T) {
	c := &Context{}
	c.Cancel()
	<-c.Done()
}
