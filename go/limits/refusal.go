package limits

import (
	"fmt"
	"time"

	"osp/go/s3op"
)

// Measure is what a rule limits.
type Measure uint8

// The measures.
const (
	Requests Measure = iota
	BytesIn
	BytesOut
	Concurrent
	LargestObject
	RequestsPerDay
	BytesPerDay
)

var measures = [...]string{"requests", "bytes_in", "bytes_out", "concurrent", "largest_object", "requests_per_day", "bytes_per_day"}

// String is the measure's name in a configuration.
func (m Measure) String() string { return measures[m] }

// Refusal is why a request may not go on.
type Refusal struct {
	Rule    string // as in the configuration: token.write
	Measure Measure
	Wait    time.Duration // until it may be worth trying again; of rates and of concurrent requests

	Limit, Proposed int64 // bytes; of an object that is too large
}

// Error implements error.
func (r *Refusal) Error() string { return fmt.Sprintf("limits.%s: %s", r.Rule, r.Measure) }

// longer is the refusal that holds for longer, if there are two. Those that do not say how
// long hold however long the client waits.
func longer(a, b *Refusal) *Refusal {
	if a == nil || b != nil && a.Wait > 0 && (b.Wait == 0 || b.Wait > a.Wait) {
		return b
	}
	return a
}

// ruleName is where a rule stands in the configuration. It names classes, and nobody.
func ruleName(k key) string {
	name := k.scope.String()
	if k.scope == Class || k.scope == AddressClass {
		name = Class.String() + "." + k.who
	}
	if k.of < s3op.Classes {
		name += "." + k.of.String()
	}
	return name
}
