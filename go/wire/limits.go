package wire

import "time"

// LongestKey is S3's limit for a key, in bytes of its decoded form
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html).
const LongestKey = 1024

// LongestVersionID is S3's limit for the id of a version, in bytes
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/versioning-workflows.html).
const LongestVersionID = 1024

// LongestTTL is how long anything may be asked to be kept. More than a year is
// a mistake in the unit.
const LongestTTL = 365 * 24 * time.Hour

// TTL reads a time to live in seconds.
func TTL(seconds float64) (ttl time.Duration, ok bool) {
	if !(seconds >= 0 && seconds <= LongestTTL.Seconds()) { // nor what is no number
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}
