package creds

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// maxForgotten bounds the marks. Past that everything is forgotten once, which
// costs an exchange for each API key.
const maxForgotten = 4096

// forgotten says since when nothing that was asked for before may serve a
// token and a bucket. Bearer tokens need it: one serves all who have the same
// API key, so it can't be dropped for one of them, and it outlives the answer
// that led to that key. The zero forgotten is empty. Marks are read by every
// request and seldom made, so that reading them takes no lock.
type forgotten struct {
	mu  sync.Mutex // held while a mark is made
	now atomic.Pointer[marks]
}

// marks never change.
type marks struct {
	all   time.Time // what was asked for before serves nobody
	about map[about]time.Time
}

// about is whom a mark is about: a token, a bucket, or both together.
type about struct {
	token, bucket       string
	anyToken, anyBucket bool
}

// mark notes that a token, a bucket, or both together were forgotten; nil
// matches all.
func (f *forgotten) mark(token, bucket *string, now time.Time) {
	a := about{anyToken: token == nil, anyBucket: bucket == nil}
	if token != nil {
		a.token = strings.Clone(*token)
	}
	if bucket != nil {
		a.bucket = strings.Clone(*bucket)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.now.Load()
	if before == nil {
		before = new(marks)
	}
	if a.anyToken && a.anyBucket || len(before.about) >= maxForgotten {
		f.now.Store(&marks{all: now})
		return
	}
	after := &marks{all: before.all, about: maps.Clone(before.about)}
	if after.about == nil {
		after.about = make(map[about]time.Time)
	}
	after.about[a] = now
	f.now.Store(after)
}

// last returns when a token and a bucket were last forgotten; zero: never.
func (f *forgotten) last(token, bucket string) time.Time {
	m := f.now.Load()
	if m == nil {
		return time.Time{}
	}
	last := m.all
	if len(m.about) == 0 {
		return last
	}
	for _, a := range [...]about{
		{token: token, anyBucket: true}, {bucket: bucket, anyToken: true}, {token: token, bucket: bucket},
	} {
		if t := m.about[a]; t.After(last) {
			last = t
		}
	}
	return last
}
