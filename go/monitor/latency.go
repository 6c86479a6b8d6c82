package monitor

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// steps is into how many parts each power of two is divided: quantiles are
// correct to within a thirtieth.
const (
	stepBits = 4
	steps    = 1 << stepBits
	slots    = 30 * steps // the last one begins after half an hour
)

// latencies is a histogram of durations that any number of goroutines fill.
type latencies [slots]atomic.Uint64

// counts is the histogram at one moment, or the difference of two moments.
type counts [slots]uint64

func (l *latencies) add(d time.Duration) { l[slotOf(d)].Add(1) }

func (l *latencies) counts() *counts {
	c := new(counts)
	for i := range l {
		c[i] = l[i].Load()
	}
	return c
}

// since returns what was added after before was taken.
func (c *counts) since(before *counts) *counts {
	d := new(counts)
	for i := range c {
		d[i] = c[i] - before[i]
	}
	return d
}

func (c *counts) total() (n uint64) {
	for _, k := range c {
		n += k
	}
	return n
}

// quantile returns a duration that is not exceeded by the share q of all
// durations; 0 if there are none.
func (c *counts) quantile(q float64) time.Duration {
	total := c.total()
	if total == 0 {
		return 0
	}
	rank := uint64(q*float64(total-1)) + 1
	for i, k := range c {
		if k >= rank {
			return slotMiddle(i)
		}
		rank -= k
	}
	return slotMiddle(slots - 1)
}

func slotOf(d time.Duration) int {
	us := uint64(max(d, 0) / time.Microsecond)
	if us < steps {
		return int(us)
	}
	shift := bits.Len64(us) - stepBits - 1
	return min((shift+1)*steps+int(us>>shift&(steps-1)), slots-1)
}

func slotMiddle(i int) time.Duration {
	if i < steps {
		return time.Duration(i)*time.Microsecond + time.Microsecond/2
	}
	shift := i/steps - 1
	low := time.Duration(steps+i%steps) << shift
	return low*time.Microsecond + (time.Microsecond<<shift)/2
}
