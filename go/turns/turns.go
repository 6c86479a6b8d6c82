// Package turns has those who wait for something take turns by whom they belong to, so
// that whoever waits with many makes others wait for one of his at a time, and not for
// all that came first. It knows neither what is waited for nor who waits, and has no
// lock: its users hold their own.
package turns

// Line holds what waits, in a queue for each owner. The zero Line is empty.
type Line[T any] struct {
	queues  map[string]*queue[T]
	next    *queue[T] // whose turn it is; the others follow in a ring. nil: nobody waits
	longest *queue[T] // as far as is known: whoever grew last beyond all others
	length  int
}

// queue is that of one owner, the first to come first.
type queue[T any] struct {
	owner         string
	first, last   *Place[T]
	length        int
	before, after *queue[T]
}

// Place is that of one who waits.
type Place[T any] struct {
	Value         T
	queue         *queue[T] // nil: it has left
	before, after *Place[T]
}

// Len is how many wait.
func (l *Line[T]) Len() int { return l.length }

// Push adds a value at the end of its owner's queue.
func (l *Line[T]) Push(owner string, value T) *Place[T] {
	q := l.queues[owner]
	if q == nil {
		q = &queue[T]{owner: owner}
		l.join(q)
	}
	p := &Place[T]{Value: value, queue: q, before: q.last}
	if q.last == nil {
		q.first = p
	} else {
		q.last.after = p
	}
	q.last = p
	q.length++
	l.length++
	if l.longest == nil || q.length > l.longest.length {
		l.longest = q
	}
	return p
}

// Pop takes the first value of the owner whose turn it is.
func (l *Line[T]) Pop() (value T, ok bool) {
	return l.PopFrom(func(string) bool { return true })
}

// PopFrom takes the first value of the next owner who may have his turn. The others
// come after him.
func (l *Line[T]) PopFrom(may func(owner string) bool) (value T, ok bool) {
	for q, n := l.next, len(l.queues); n > 0; q, n = q.after, n-1 {
		if may(q.owner) {
			l.next = q.after
			value = q.first.Value
			l.Remove(q.first)
			return value, true
		}
	}
	return value, false
}

// Remove takes a place out of the line, and reports whether it was there.
func (l *Line[T]) Remove(p *Place[T]) bool {
	q := p.queue
	if q == nil {
		return false
	}
	if p.before == nil {
		q.first = p.after
	} else {
		p.before.after = p.after
	}
	if p.after == nil {
		q.last = p.before
	} else {
		p.after.before = p.before
	}
	p.queue, p.before, p.after = nil, nil, nil
	q.length--
	l.length--
	if q.length == 0 {
		l.leave(q)
	}
	return true
}

// Displace takes out the last value of an owner who waits with more than one that
// would come now, if there is such an owner.
func (l *Line[T]) Displace(newcomer string) (value T, ok bool) {
	mine := 0
	if q := l.queues[newcomer]; q != nil {
		mine = q.length
	}
	if l.longest == nil || l.longest.length <= mine+1 {
		return value, false
	}
	last := l.longest.last
	value = last.Value
	l.Remove(last)
	return value, true
}

// join puts a queue behind all others.
func (l *Line[T]) join(q *queue[T]) {
	if l.queues == nil {
		l.queues = make(map[string]*queue[T])
	}
	l.queues[q.owner] = q
	if l.next == nil {
		q.before, q.after, l.next = q, q, q
		return
	}
	q.before, q.after = l.next.before, l.next
	q.before.after, q.after.before = q, q
}

func (l *Line[T]) leave(q *queue[T]) {
	delete(l.queues, q.owner)
	if l.longest == q {
		l.longest = nil
	}
	if q.after == q {
		l.next = nil
		return
	}
	q.before.after, q.after.before = q.after, q.before
	if l.next == q {
		l.next = q.after
	}
}
