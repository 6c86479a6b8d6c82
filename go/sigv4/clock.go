package sigv4

import (
	"net/http"
	"strconv"
	"time"

	"osp/go/s3err"
)

// maxSkew is how far a client's clock may be from ours: AWS's 15 minutes.
const maxSkew = 15 * time.Minute

const basicFormat = "20060102T150405Z"

// parseBasicTime reads ISO 8601 basic format. time.Parse alone would accept
// fractions of a second, which the string to sign can't express.
func parseBasicTime(s string) (time.Time, bool) {
	if len(s) != len(basicFormat) {
		return time.Time{}, false
	}
	t, err := time.Parse(basicFormat, s)
	return t, err == nil
}

// timestamp reads x-amz-date, or Date if that is absent, and formats it for the
// string to sign.
func (h authHeaders) timestamp() (time.Time, string, error) {
	values := h.amzDate
	if len(values) == 0 {
		values = h.date
	}
	if len(values) != 1 {
		return time.Time{}, "", errNoDate
	}
	if t, ok := parseBasicTime(values[0]); ok {
		return t, values[0], nil
	}
	if len(h.amzDate) == 0 {
		if t, err := http.ParseTime(values[0]); err == nil {
			t = t.UTC()
			return t, t.Format(basicFormat), nil
		}
	}
	return time.Time{}, "", errNoDate
}

// checkTime compares the request with the clock: a window around the time of a
// header signature, the validity of a presigned URL, the expiration of a form.
func (s *SignedRequest) checkTime(now time.Time) error {
	switch s.mechanism {
	case InHeader:
		if age := now.Sub(s.time); age > maxSkew || age < -maxSkew {
			return s3err.RequestTimeTooSkewed.With("RequestTime", s.timestamp).
				With("ServerTime", now.UTC().Format(time.RFC3339)).
				With("MaxAllowedSkewMilliseconds", strconv.FormatInt(maxSkew.Milliseconds(), 10))
		}
	case InQuery:
		if s.time.Sub(now) > maxSkew {
			return errNotYetValid
		}
		if now.After(s.time.Add(s.expires)) {
			return errExpired
		}
	case InForm:
		if now.After(s.policy.expiration) {
			return errPolicyExpired
		}
	default:
		return s3err.AccessDenied
	}
	return nil
}
