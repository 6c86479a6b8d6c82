package serving

import (
	"net/http"
	"sync/atomic"
	"time"
)

// Clock tells the time as the Date field spells it. The zero value is ready.
type Clock struct{ last atomic.Pointer[second] }

type second struct {
	unix int64
	text string
}

// Date returns the Date field's value.
func (c *Clock) Date() string {
	now := time.Now()
	s := c.last.Load()
	if s == nil || s.unix != now.Unix() {
		s = &second{now.Unix(), now.UTC().Format(http.TimeFormat)}
		c.last.Store(s)
	}
	return s.text
}
