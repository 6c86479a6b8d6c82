package callbacks

// line has those who wait for something, the first to come first. A ticket can
// leave it from anywhere.
type line struct{ first, last *ticket }

func (l *line) push(t *ticket) {
	t.line, t.before = l, l.last
	if l.last == nil {
		l.first = t
	} else {
		l.last.behind = t
	}
	l.last = t
}

func (l *line) pop() *ticket {
	t := l.first
	if t != nil {
		l.remove(t)
	}
	return t
}

func (l *line) remove(t *ticket) {
	if t.before == nil {
		l.first = t.behind
	} else {
		t.before.behind = t.behind
	}
	if t.behind == nil {
		l.last = t.before
	} else {
		t.behind.before = t.before
	}
	t.line, t.before, t.behind = nil, nil, nil
}
