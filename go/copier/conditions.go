package copier

import (
	"net/http"
	"strings"
	"time"

	"osp/go/s3err"
)

// errPrecondition is the error for every condition that does not hold. A copy has no 304.
var errPrecondition = s3err.New(http.StatusPreconditionFailed, "PreconditionFailed", s3err.Message("PreconditionFailed"))

// conditions are those of the source. They are judged here, by the head of the very
// response whose body is copied: stores differ in what they make of two of them.
type conditions struct {
	match, noneMatch string
	since, notSince  time.Time // zero: not given
}

func readConditions(h http.Header) (conditions, error) {
	c := conditions{match: h.Get(sourcePrefix + "If-Match"), noneMatch: h.Get(sourcePrefix + "If-None-Match")}
	var err error
	if c.since, err = readTime(h, sourcePrefix+"If-Modified-Since"); err != nil {
		return c, err
	}
	c.notSince, err = readTime(h, sourcePrefix+"If-Unmodified-Since")
	return c, err
}

func readTime(h http.Header, name string) (time.Time, error) {
	value := h.Get(name)
	if value == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{http.TimeFormat, time.RFC1123Z, time.RFC3339, time.RFC850, time.ANSIC} {
		if t, err := time.Parse(layout, value); err == nil {
			return t, nil
		}
	}
	return time.Time{}, s3err.InvalidArgument.Msg(strings.ToLower(name) + " is not a date.")
}

// check returns PreconditionFailed if the conditions do not hold. An ETag that is
// asked for decides alone: a time has only seconds
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html).
func (c conditions) check(etag string, modified time.Time) error {
	failed := false
	switch {
	case c.match != "":
		failed = !matches(c.match, etag)
	case !c.notSince.IsZero():
		failed = modified.IsZero() || modified.After(c.notSince)
	}
	switch {
	case c.noneMatch != "":
		failed = failed || matches(c.noneMatch, etag)
	case !c.since.IsZero():
		failed = failed || !modified.After(c.since)
	}
	if failed {
		return errPrecondition
	}
	return nil
}

// matches reports whether an ETag is in a list of them, with or without quotes.
func matches(list, etag string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if one = strings.TrimSpace(one); one == "*" || bare(one) == bare(etag) {
			return true
		}
	}
	return false
}

func bare(etag string) string { return strings.Trim(strings.TrimPrefix(etag, "W/"), `"`) }
