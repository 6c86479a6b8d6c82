package shared

import (
	"encoding/binary"
	"time"

	"osp/go/cache"
)

// maxSealed is how long a value may be that is shared.
const maxSealed = 64 << 10

// Item is an answer that can be shared.
type Item struct {
	Kind          string        // of the answer: what is known by one kind is not by another
	Key           string        // what it was made by, within its kind
	TTL           time.Duration // how long such answers are kept: replicas that keep them for another time share none
	Token, Bucket string        // whom it is about
	Bucketless    bool          // it is about the token alone
	Everyone      bool          // it is about neither, and void after any revocation
	Patience      time.Duration // as that of Options, for answers of something slower or faster than callbacks; 0: that of Options
}

func (s *State) patience(item Item) time.Duration {
	if item.Patience > 0 {
		return item.Patience
	}
	return s.o.Patience
}

// Fields makes one Key of several texts, as no other texts do.
func Fields(texts ...string) string {
	var b []byte
	for _, t := range texts {
		b = append(binary.AppendUvarint(b, uint64(len(t))), t...)
	}
	return string(b)
}

// Codec writes and reads values of a kind. Decode gets the time since the value
// was asked for, at most; what it reports false for does not exist.
type Codec[V any] struct {
	Encode func(V) []byte
	Decode func(b []byte, age time.Duration) (V, bool)
}

// keys are where an item is found in a log.
type keys struct {
	log                  string
	head, entries        string
	scopes               [4]string
	value, marker, alone string
}

func (s *State) keys(log string, item Item) keys {
	name := s.names.Name(item.Kind, s.o.Version, item.TTL.String(), item.Key)
	k := keys{
		log: log, head: s.key("head"), entries: s.logKey(log, "log"),
		value: s.logKey(log, "value:"+name), marker: s.logKey(log, "asked:"+name), alone: s.logKey(log, "alone:"+name),
	}
	k.scopes = s.scopes(log, item)
	return k
}

func (s *State) scopes(log string, item Item) [4]string {
	if item.Everyone {
		every := s.logKey(log, "any")
		return [4]string{every, every, every, every}
	}
	everything, token := s.scope(log, s.names, nil, nil), s.scope(log, s.names, &item.Token, nil)
	if item.Bucketless {
		client := s.clientScope(log, s.names, item.Token)
		return [4]string{everything, token, client, client}
	}
	return [4]string{everything, token, s.scope(log, s.names, nil, &item.Bucket), s.scope(log, s.names, &item.Token, &item.Bucket)}
}

// all are KEYS of the scripts take and put.
func (k *keys) all() []string {
	return []string{k.head, k.entries, k.scopes[0], k.scopes[1], k.scopes[2], k.scopes[3], k.value, k.marker, k.alone}
}

// lifeOf is how long an answer is shared, and when it is to be renewed; 0: never.
func lifeOf[V any](e cache.Entry[V]) (ttl, renew time.Duration) {
	if ttl = min(e.TTL, longest); e.RefreshAfter < ttl {
		renew = max(0, e.RefreshAfter)
	}
	return ttl, renew
}

// headSize is that of what stands before a value: when it was asked for by the
// server's clock, how long it lasts, when it is to be renewed, in ms, and whether
// it goes aside.
const headSize = 3*8 + 1

// sealed writes a value. It opens under its name only, which holds the log's
// identity, and together with the epochs that it was asked by.
func sealed[V any](s *State, codec Codec[V], name string, r reply, e cache.Entry[V]) string {
	b := make([]byte, 0, headSize+64)
	ttl, renew := lifeOf(e)
	for _, n := range []int64{r.now, ttl.Milliseconds(), renew.Milliseconds()} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	aside := byte(0)
	if e.Aside {
		aside = 1
	}
	b = append(append(b, aside), codec.Encode(e.Value)...)
	return string(s.values.Seal(name+r.epochs, b))
}

// open reads a value. It reports false for what nobody of the fleet has written
// there, for what is over, and for what comes from the future of a clock that was
// set back.
func open[V any](s *State, codec Codec[V], name string, r reply) (e cache.Entry[V], ok bool) {
	b, ok := s.values.Open(name+r.epochs, []byte(r.sealed))
	if !ok || len(b) < headSize {
		return e, false
	}
	n := func(i int) int64 { return int64(binary.BigEndian.Uint64(b[8*i:])) }
	age, ttl, renew := r.now-n(0), n(1), n(2)
	if age < 0 {
		return e, false
	}
	if age += time.Since(r.sent).Milliseconds() + 1; age >= ttl || ttl > longest.Milliseconds() || renew < 0 || renew >= ttl {
		return e, false
	}
	e.Value, ok = codec.Decode(b[headSize:], time.Duration(age)*time.Millisecond)
	e.TTL, e.Aside = time.Duration(ttl-age)*time.Millisecond, b[headSize-1] == 1
	if renew > 0 { // at once, if it is due and somebody could not renew it
		e.RefreshAfter = max(time.Duration(renew-age)*time.Millisecond, e.TTL/10, time.Millisecond)
	}
	return e, ok
}
