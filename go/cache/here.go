package cache

import (
	"context"
	"errors"
	"time"
)

// errLeft is the error of a load that goes on on another goroutine.
var errLeft = errors.New("cache: the load's caller has left")

// Here makes loads run on the goroutine of the caller who began them, which saves
// making one for each. Such a load has to end when its caller leaves: with the error that
// Left gives it. It is then begun again on a goroutine of its own, where it goes on
// with what it has come to so far. It is for a time before the first Get.
func (c *Cache[K, V]) Here() { c.here = true }

// Left returns the error of a load whose context has ended, and keeps what it has come
// to. It is nil for a load that runs on a goroutine of its own: that one is not begun again.
func Left(ctx context.Context, sofar any) error {
	r, ok := ctx.Value(runKey{}).(*run)
	if !ok || !r.here {
		return nil
	}
	r.sofar = sofar
	return errLeft
}

// Sofar returns what a load has come to before its caller left, or nil.
func Sofar(ctx context.Context) any {
	if r, ok := ctx.Value(runKey{}).(*run); ok && !r.here {
		return r.sofar
	}
	return nil
}

// IsLeft reports whether an error is that of a load that goes on elsewhere.
func IsLeft(err error) bool { return errors.Is(err, errLeft) }

// run is the context of a load. If it runs on the goroutine of its caller, it ends when
// that one leaves. It has no deadline: its answer is for others, too.
type run struct {
	context.Context
	here  bool
	sofar any
}

type runKey struct{}

// Deadline implements context.Context.
func (r *run) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value implements context.Context. A load within a load has a run of its own.
func (r *run) Value(key any) any {
	if key == (runKey{}) {
		return r
	}
	return r.Context.Value(key)
}

// flyHere runs a load on the goroutine of its caller, and reports whether that was its
// end. If not, the caller has left.
func (c *Cache[K, V]) flyHere(ctx context.Context, key K, f *flight[V], load Load[V]) bool {
	r := &run{Context: ctx, here: true}
	if c.fly(r, key, f, load) {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.launch(ctx, key, f, load, r.sofar)
	return false
}
