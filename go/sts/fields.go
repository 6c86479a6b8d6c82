package sts

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// fields reads the parameters of an action. Its first error stays. No error quotes a
// value.
type fields struct {
	params parameters
	err    error
}

func (f *fields) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *fields) invalid(name, must string) {
	f.fail(ValidationError.Msg("The parameter " + name + " must " + must + "."))
}

// bound is what a text has to be like.
type bound struct {
	least, most int // characters
	form        *regexp.Regexp
	in          string // the form in words
}

var (
	anyText     = regexp.MustCompile(`(?s)^.*$`)
	sessionName = bound{2, 64, regexp.MustCompile(`^[\w+=,.@-]*$`), "letters, digits and any of _+=,.@-"}
	externalID  = bound{2, 1224, regexp.MustCompile(`^[\w+=,.@:/-]*$`), "letters, digits and any of _+=,.@:/-"}
	roleARN     = bound{20, 2048, regexp.MustCompile(`^arn:aws(?:-cn|-us-gov)?:iam::[0-9]{12}:role/[\w+=,.@/-]+$`), "arn:aws:iam::000000000000:role/ and the name of a role"}
	tagKey      = bound{1, 128, regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`), "letters, digits, spaces and any of _.:/=+-@"}
	tagValue    = bound{0, 256, tagKey.form, tagKey.in}
	webToken    = bound{4, 20_000, anyText, "an identity token"}
	policyText  = bound{1, 2048, anyText, "a policy"}
	description = bound{2, 256, anyText, "a text"}
)

func (b bound) fits(text string) bool {
	n := utf8.RuneCountInString(text)
	return n >= b.least && n <= b.most && utf8.ValidString(text) && b.form.MatchString(text)
}

// text is a parameter that may be missing.
func (f *fields) text(name string, b bound) string {
	value, given := f.params[name]
	if given && !b.fits(value) {
		f.invalid(name, "have "+strconv.Itoa(b.least)+" to "+strconv.Itoa(b.most)+" characters and be "+b.in)
	}
	return value
}

// need is a parameter that may not be missing.
func (f *fields) need(name string, b bound) string {
	if f.params[name] == "" {
		f.fail(MissingParameter.Msg("The request must contain the parameter " + name + "."))
	}
	return f.text(name, b)
}

// integer is a number, or -1 where the parameter is missing.
func (f *fields) integer(name string, least, most int) int {
	value, given := f.params[name]
	if !given {
		return -1
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		f.invalid(name, "be a whole number from "+strconv.Itoa(least)+" to "+strconv.Itoa(most))
	}
	return n
}

// duration is how long a session is to last; 0: nothing is said. The shortest is the
// role's to say.
func (f *fields) duration(most int) time.Duration {
	return time.Duration(max(0, f.integer("DurationSeconds", 1, most))) * time.Second
}

// tokenSize refuses to make session tokens longer than they have to be.
func (f *fields) tokenSize() {
	if f.integer("MinimumSessionTokenSize", 0, 4096) > 0 {
		f.fail(ValidationError.Msg("The parameter MinimumSessionTokenSize is not supported: session tokens are as long as they have to be."))
	}
}

const maxTags = 50

// tags are those of the list Tags, whose members are numbered from 1.
func (f *fields) tags() map[string]string {
	var tags map[string]string
	seen := map[string]bool{}
	read := 0
	for i := 1; i <= maxTags; i++ {
		member := "Tags.member." + strconv.Itoa(i)
		key, given := f.params[member+".Key"]
		if !given {
			break
		}
		value, valued := f.params[member+".Value"]
		switch lower := strings.ToLower(key); {
		case !valued || !tagKey.fits(key) || !tagValue.fits(value):
			f.invalid(member, "have a Key and a Value of at most 128 and 256 characters: "+tagKey.in)
		case strings.HasPrefix(lower, "aws:"):
			f.invalid(member, "have a Key that does not begin with aws:")
		case seen[lower]:
			f.invalid(member, "have another Key than those before it")
		default:
			seen[lower] = true
		}
		if tags == nil {
			tags = map[string]string{}
		}
		tags[key] = value
		read += 2
	}
	if given := f.count("Tags."); given > read {
		f.invalid("Tags", "be a list of at most 50 members, each with Key and Value, numbered from 1")
	}
	return tags
}

func (f *fields) count(prefix string) (n int) {
	for name := range f.params {
		if strings.HasPrefix(name, prefix) {
			n++
		}
	}
	return n
}
