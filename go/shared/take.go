package shared

import (
	"context"
	"strconv"
	"time"

	"github.com/valkey-io/valkey-go"

	"osp/go/cache"
)

// What the scripts take and look say.
const (
	holds  = "value"
	renews = "renew"
	asks   = "ask"
	waits  = "wait"
	alone  = "alone"
	lost   = "lost"
	none   = "none"
)

// epochsSize is that of four epochs.
const epochsSize = 4 * idSize

// reply is what take says. Without a value there is none of the rest.
type reply struct {
	what   string
	sent   time.Time // no later than what was looked at
	now    int64     // by the server's clock, in ms
	epochs string
	sealed string
}

// position is what this replica knows now, if it is still in the generation and
// the log in which the search began.
func (a *asking[V]) position() (position, bool) {
	at := a.s.at.Load()
	if at == nil || at.log != a.keys.log || a.s.Generation() != a.generation {
		return position{}, false
	}
	return *at, true
}

// take looks for an answer, or takes the right to ask for it.
func (a *asking[V]) take(ctx context.Context) (reply, error) {
	at, ok := a.position()
	if !ok {
		return reply{}, ErrAway
	}
	sent := time.Now()
	message, err := a.s.run(ctx, take, a.keys.all(), append(at.args(),
		a.who, milliseconds(holdFor), newID(), milliseconds(scopeFor), strconv.Itoa(maxSealed), a.s.marks[0])...)
	if err != nil {
		return reply{}, err
	}
	r, err := replyOf(message, sent)
	if err == nil && r.what == lost {
		a.s.news() // the next heartbeat sees to it
		return reply{}, ErrAway
	}
	return r, err
}

func replyOf(message valkey.ValkeyMessage, sent time.Time) (reply, error) {
	parts, err := message.ToArray()
	if err != nil || len(parts) == 0 {
		return reply{}, errAnswer
	}
	r := reply{sent: sent}
	if r.what, err = parts[0].ToString(); err != nil {
		return reply{}, errAnswer
	}
	want := map[string]int{holds: 4, renews: 4, asks: 3, waits: 1, alone: 1, lost: 1, none: 1}[r.what]
	if len(parts) != want {
		return reply{}, errAnswer
	}
	if want >= 3 {
		now, err1 := parts[1].AsInt64()
		epochs, err2 := parts[2].ToString()
		if err1 != nil || err2 != nil || len(epochs) != epochsSize {
			return reply{}, errAnswer
		}
		r.now, r.epochs = now, epochs
	}
	if want == 4 {
		if r.sealed, err = parts[3].ToString(); err != nil {
			return reply{}, errAnswer
		}
	}
	return r, nil
}

// put writes an answer, unless something was revoked or lost since the search
// began. Its failure is nobody's loss: the asker has the answer.
func (a *asking[V]) put(ctx context.Context, r reply, e cache.Entry[V], sealed string) {
	at, ok := a.position()
	if !ok {
		return
	}
	ttl, after := lifeOf(e)
	renew := int64(0)
	if after > 0 {
		renew = r.now + after.Milliseconds()
	}
	_, _ = a.s.run(ctx, put, a.keys.all(), append(at.args(), a.who, r.epochs, sealed,
		milliseconds(ttl), strconv.FormatInt(renew, 10), milliseconds(ttl+time.Second))...)
}
