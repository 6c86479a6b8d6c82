package creds

import (
	"strings"
	"sync"
	"time"
)

// maxForgotten bounds the marks. Past that everything is forgotten once, which
// costs an exchange for each API key.
const maxForgotten = 4096

// forgotten says since when nothing that was asked for before may serve a
// token and a bucket. Bearer tokens need it: one serves all who have the same
// API key, so it can't be dropped for one of them, and it outlives the answer
// that led to that key. The zero forgotten is empty.
type forgotten struct {
	mu    sync.RWMutex
	all   time.Time // what was asked for before serves nobody
	marks map[about]time.Time
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
	if a.anyToken && a.anyBucket || len(f.marks) >= maxForgotten {
		f.all, f.marks = now, nil
		return
	}
	if f.marks == nil {
		f.marks = make(map[about]time.Time)
	}
	f.marks[a] = now
}

// last returns when a token and a bucket were last forgotten; zero: never.
func (f *forgotten) last(token, bucket string) time.Time {
	f.mu.RLock()
	defer f.mu.RUnlock()
	last := f.all
	if len(f.marks) == 0 {
		return last
	}
	for _, a := range [...]about{
		{token: token, anyBucket: true}, {bucket: bucket, anyToken: true}, {token: token, bucket: bucket},
	} {
		if t := f.marks[a]; t.After(last) {
			last = t
		}
	}
	return last
}
