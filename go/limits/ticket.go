package limits

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"osp/go/s3op"
)

// Ticket is one request's part of the accounts that it has to do with. A nil Ticket
// is that of a request without limits.
type Ticket struct {
	table  *Table
	rules  *Rules
	entry  *EntryRules
	who    Subject
	writes bool // it moves bytes in, rather than out

	accounts []held
	admitted int     // of the accounts
	few      [4]held // most have no more
	moved    [2]atomic.Int64
	chunk    [2]int64 // the most bytes to be moved at once; 0: no limit
}

// Begin makes the ticket of a request, nil if no rule can be about it. The request is
// not admitted yet.
func (t *Table) Begin(rules *Rules, entry *EntryRules, who Subject) *Ticket {
	if rules == nil && entry == nil {
		return nil
	}
	if rules == nil {
		rules = &none
	}
	if entry == nil {
		entry = &noneOfEntry
	}
	k := tickets.Get().(*Ticket)
	k.table, k.rules, k.entry, k.who = t, rules, entry, who
	k.writes = who.Operation == s3op.Write || who.Operation == s3op.Delete
	k.accounts = k.few[:0]
	return k
}

// BeginReading makes the ticket of what a request, admitted already, reads of a second
// entry: its bytes count there, and it is no second request. class is the one that the
// validator chose. The error is a *Refusal.
func (t *Table) BeginReading(rules *Rules, entry *EntryRules, who Subject, class string) (*Ticket, error) {
	k := t.Begin(rules, entry, who)
	if k == nil {
		return nil, nil
	}
	k.holdOwn(class == "")
	if class != "" {
		k.holdClass(class)
	}
	k.holdCommon()
	now := t.clock()
	var refusal *Refusal
	for i := range k.accounts {
		h := &k.accounts[i]
		if r := longer(refusal, h.mayBeRead(t, k, now)); r != refusal {
			refusal = h.says(r)
		}
	}
	if refusal != nil {
		return nil, refusal
	}
	k.admitted = len(k.accounts)
	k.chunk = k.chunks()
	return k, nil
}

var tickets = sync.Pool{New: func() any { return new(Ticket) }}

var (
	none        Rules
	noneOfEntry EntryRules
)

// AdmitOwn takes of the client's own shares, which nobody else can use up, and looks
// whether the common ones are used up. Where the validator may choose a class, the
// client's share waits for that. The error is a *Refusal.
func (k *Ticket) AdmitOwn() error {
	if k == nil {
		return nil
	}
	now := k.table.clock()
	k.holdOwn(len(k.rules.Classes) == 0)
	own := len(k.accounts)
	k.holdCommon()
	if err := k.look(own, len(k.accounts), now); err != nil {
		return err
	}
	return k.admit(own, now)
}

// AdmitCommon takes of the shares that others have a part in, once the request is
// authorised, and of the class that the validator chose; empty: none. It returns false
// if there is no such class. The error is a *Refusal.
func (k *Ticket) AdmitCommon(class string) (known bool, err error) {
	if k == nil {
		return class == "", nil
	}
	switch {
	case class != "" && k.rules.Classes[class] == nil:
		k.Withdraw()
		return false, nil
	case class != "":
		k.holdClass(class)
	case len(k.rules.Classes) > 0 && k.who.Token != "":
		k.hold(k.rules.Token, key{scope: Token, who: k.who.Token})
	}
	if k.admitted == len(k.accounts) {
		return true, nil
	}
	return true, k.admit(len(k.accounts), k.table.clock())
}

// holdOwn finds the client's own shares, and that of its token if it has no class.
func (k *Ticket) holdOwn(ofToken bool) {
	if k.who.Token == "" {
		k.hold(k.rules.Address, key{scope: Address, who: k.who.Address})
		return
	}
	if ofToken {
		k.hold(k.rules.Token, key{scope: Token, who: k.who.Token})
	}
	if k.who.Entry != "" {
		k.hold(either(k.entry.Token, k.rules.TokenAndBucket), key{scope: TokenAndBucket, who: k.who.Token, bucket: k.who.Entry})
	}
}

// holdClass finds the share that the client has of a class: by his address, if he has not
// signed, or all strangers would have one together, and one of them could use it up.
func (k *Ticket) holdClass(class string) {
	about := key{scope: Class, who: class, bucket: k.who.Token}
	if k.who.Token == "" {
		about.scope, about.bucket = AddressClass, k.who.Address
	}
	k.hold(k.rules.Classes[class], about)
}

func (k *Ticket) holdCommon() {
	if k.who.Entry != "" {
		k.hold(either(k.entry.All, k.rules.Entry), key{scope: Entry, bucket: k.who.Entry})
	}
	if k.who.Token == "" {
		k.hold(k.rules.Anonymous, key{scope: Anonymous})
	}
	k.hold(k.rules.All, key{scope: All})
}

func either(a, b *Rule) *Rule {
	if a != nil {
		return a
	}
	return b
}

// hold finds the accounts of a rule: for all operations, and for those of the class.
func (k *Ticket) hold(rule *Rule, about key) {
	if rule == nil {
		return
	}
	if rule.Measures != (Measures{}) {
		about.of = s3op.Classes
		k.accounts = append(k.accounts, held{account: k.table.account(about), rule: &rule.Measures})
	}
	if m := &rule.Of[k.who.Operation]; *m != (Measures{}) {
		about.of = k.who.Operation
		k.accounts = append(k.accounts, held{account: k.table.account(about), rule: m})
	}
}

// admit takes of the accounts up to one, where that has not been done; after a
// refusal nothing is taken of any.
func (k *Ticket) admit(to int, now time.Duration) error {
	if k.table.fleet != nil { // where what is given back lapses: see giveBackLeased
		if err := k.look(k.admitted, to, now); err != nil {
			return err
		}
	}
	for ; k.admitted < to; k.admitted++ {
		h := &k.accounts[k.admitted]
		r := h.admit(k.table, k, now)
		if r == nil {
			h.missed = k.moved[In].Load()
			continue
		}
		k.admitted++ // it may have taken some of it
		k.Withdraw()
		return k.refused(h.says(r), now)
	}
	k.chunk = k.chunks()
	return nil
}

// look refuses a request that some of the accounts would refuse, before anything is taken of
// them, and gives back what was taken of others.
func (k *Ticket) look(from, to int, now time.Duration) error {
	for i := from; i < to; i++ {
		if r := k.accounts[i].mayCome(k.table, k, now); r != nil {
			k.Withdraw()
			return k.refused(k.accounts[i].says(r), now)
		}
	}
	return nil
}

// Withdraw gives back what a request has taken that was admitted and is refused after all,
// before anything was done for it.
func (k *Ticket) Withdraw() {
	if k == nil {
		return
	}
	for i := range k.accounts[:k.admitted] {
		k.accounts[i].giveBack(k.table)
	}
	k.admitted = 0
}

// refused returns a refusal by one of the accounts, or the longest by any: whoever waits as
// he is told must not be refused by the next, nor by another measure of the same.
func (k *Ticket) refused(r *Refusal, now time.Duration) error {
	for i := range k.accounts {
		h := &k.accounts[i]
		if other := longer(r, h.mayCome(k.table, k, now)); other != r {
			r = h.says(other)
		}
	}
	return r
}

// says completes a refusal.
func (h *held) says(r *Refusal) *Refusal {
	r.Rule = ruleName(h.key)
	return r
}

// Sized reports whether objects may have only so many bytes.
func (k *Ticket) Sized() bool {
	return k != nil && slices.ContainsFunc(k.accounts, func(h held) bool { return h.rule.Largest > 0 })
}

// CheckSize refuses an object whose size was not known before. The error is a *Refusal.
func (k *Ticket) CheckSize(size int64) error {
	if k == nil {
		return nil
	}
	for i := range k.accounts {
		if r := k.accounts[i].checkSize(size); r != nil {
			return k.accounts[i].says(r)
		}
	}
	return nil
}

// End says that the request is over, which has received and sent so many bytes in all.
// The ticket is not used again, but by a body that is still being read: see Limited.
func (k *Ticket) End(received, sent int64) {
	if k == nil {
		return
	}
	now, paced := time.Duration(0), k.chunk != [2]int64{}
	if paced {
		now = k.table.clock()
	}
	for i := range k.accounts[:k.admitted] {
		h := &k.accounts[i]
		h.end()
		if paced {
			k.table.charge(h, In, received-k.moved[In].Load()+h.missed, now)
			k.table.charge(h, Out, sent-k.moved[Out].Load(), now)
		}
		k.table.countBytes(h, received+sent)
	}
	if !k.Limited(In) {
		*k = Ticket{}
		tickets.Put(k)
	}
}

// Direction is where bytes go.
type Direction int

// The directions.
const (
	In  Direction = iota // from clients
	Out                  // to them
)

// Limited reports whether streams in a direction have to keep to a rate. Those of others
// have no use for the ticket.
func (k *Ticket) Limited(d Direction) bool { return k != nil && k.chunk[d] > 0 }

// Chunk is how many bytes may be moved at once, at most n.
func (k *Ticket) Chunk(d Direction, n int) int {
	if k.Limited(d) {
		return int(min(int64(n), k.chunk[d]))
	}
	return n
}

const (
	smallestChunk  = 1 << 10 // what the lowest rate has in a window
	chunksInWindow = 20
)

// chunks are small beside the rates, so that streams of one share take turns, and beside
// a replica's part of them.
func (k *Ticket) chunks() (most [2]int64) {
	inWindow := chunksInWindow * k.table.moving()
	for i := range k.accounts[:k.admitted] {
		for d, rate := range [2]*Rate{In: &k.accounts[i].rule.In, Out: &k.accounts[i].rule.Out} {
			if chunk := max(smallestChunk, rate.Milli/1000/inWindow); rate.limited() && (most[d] == 0 || chunk < most[d]) {
				most[d] = chunk
			}
		}
	}
	return most
}

// Move returns when n bytes of a stream may go on, which have been read. The error is
// ctx's.
func (k *Ticket) Move(ctx context.Context, d Direction, n int) error {
	if !k.Limited(d) || n == 0 {
		return nil
	}
	k.moved[d].Add(int64(n))
	for i := range k.accounts[:k.admitted] {
		h := &k.accounts[i]
		rate := h.rule.bytes(d)
		if !rate.limited() {
			continue
		}
		if err := h.flows[d].pass(ctx, k.table, k.who.owner(), rate.cost(int64(n))); err != nil {
			return err
		}
		k.table.tellMoved(h, &h.fleet.waiting[d], int64(n))
	}
	return nil
}
