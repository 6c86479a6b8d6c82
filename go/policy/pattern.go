package policy

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// pattern is a text with wildcards and variables, as a list of pieces.
type pattern []piece

type pieceKind uint8

const (
	literal  pieceKind = iota // the text itself
	one                       // ?, any single character
	many                      // *, any number of characters
	variable                  // what is known of who asks, else text if that is given
)

type piece struct {
	kind     pieceKind
	text     string
	key      *key // of a variable
	fallback bool // of a variable: text takes its place where it has no value
}

var errVariable = errors.New("has a variable that is not understood; there are ${aws:username}, ${aws:userid}, ${aws:SourceIdentity}, ${aws:PrincipalTag/...}, ${jwt:...}, ${*}, ${?} and ${$}")

// What a pattern may have, so that it is compared fast with any text.
const (
	maxStars  = 32
	maxPieces = 256
)

var errWildcards = errors.New("has too many wildcards: at most " + strconv.Itoa(maxStars) + " stars, and " + strconv.Itoa(maxPieces) + " wildcards, variables and texts between them")

// parsePattern reads a text in which a star stands for any number of characters
// and a question mark for one, and ${...} for a variable ("IAM policy elements:
// Variables and tags"): a name of who asks, perhaps with a default as in
// ${aws:username, 'nobody'}, or one of the three characters that mean something.
func parsePattern(text string) (pattern, error) {
	var p pattern
	for text != "" {
		at := strings.IndexAny(text, "*?$")
		if at < 0 {
			at = len(text)
		}
		p, text = p.with(text[:at]), text[at:]
		switch {
		case text == "":
		case text[0] == '*':
			p, text = append(p, piece{kind: many}), text[1:]
		case text[0] == '?':
			p, text = append(p, piece{kind: one}), text[1:]
		case !strings.HasPrefix(text, "${"):
			p, text = p.with("$"), text[1:]
		default:
			inner, rest, closed := strings.Cut(text[2:], "}")
			if !closed {
				return nil, errVariable
			}
			var err error
			if p, err = p.withVariable(inner); err != nil {
				return nil, err
			}
			text = rest
		}
	}
	if len(p) > maxPieces || p.number(many) > maxStars {
		return nil, errWildcards
	}
	return p, nil
}

// number counts the pieces of one kind.
func (p pattern) number(kind pieceKind) (n int) {
	for i := range p {
		if p[i].kind == kind {
			n++
		}
	}
	return n
}

// effort is what comparing may cost at each character of a text, in comparisons of one
// text: the most of what follows a star, up to the next one. A variable counts as several,
// because its value is looked up, and so does each of several pieces: where they are told
// apart by question marks, almost all of them may fit before one does not.
func (p pattern) effort() (most int) {
	const ofVariable, amongOthers = 8, 4
	starred, pieces, since := false, 0, 0
	for i := range p {
		switch p[i].kind {
		case many:
			starred, pieces, since = true, 0, 0
			continue
		case variable:
			since += ofVariable
		default:
			since++
		}
		if pieces++; !starred {
			continue
		}
		if pieces == 1 {
			most = max(most, since)
		} else {
			most = max(most, amongOthers*since)
		}
	}
	return most
}

// size is about how many bytes it takes, with its place in an index and without its
// text, which is the document's.
func (p pattern) size() int {
	return cap(p)*int(unsafe.Sizeof(piece{})) + int(unsafe.Sizeof(branch[room]{})+2*unsafe.Sizeof(rule{}))
}

// parsePlain is parsePattern for texts in which wildcards mean themselves.
func parsePlain(text string) (pattern, error) {
	return parsePattern(strings.NewReplacer("${*}", "${*}", "${?}", "${?}", "*", "${*}", "?", "${?}").Replace(text))
}

func (p pattern) with(text string) pattern {
	if text == "" {
		return p
	}
	if n := len(p); n > 0 && p[n-1].kind == literal {
		p[n-1].text += text
		return p
	}
	return append(p, piece{text: text})
}

func (p pattern) withVariable(inner string) (pattern, error) {
	switch inner {
	case "*", "?", "$":
		return p.with(inner), nil
	}
	name, fallback, has := strings.Cut(inner, ",")
	k, known := keyNamed(strings.TrimSpace(name))
	if !known || !k.who {
		return nil, errVariable
	}
	if !has {
		return append(p, piece{kind: variable, key: k}), nil
	}
	text, opened := strings.CutPrefix(strings.TrimSpace(fallback), "'")
	text, closed := strings.CutSuffix(text, "'")
	if !opened || !closed || strings.ContainsAny(text, "'${") {
		return nil, errVariable
	}
	return append(p, piece{variable, text, k, true}), nil
}

// split takes the text off with which all that match begin.
func (p pattern) split() (prefix string, rest pattern) {
	if len(p) > 0 && p[0].kind == literal {
		return p[0].text, p[1:]
	}
	return "", p
}

// matches reports whether the whole text fits. A variable's value is text, whatever it
// contains: no star in it is a wildcard; without a value it equals nothing. With fold
// it is taken in lower case.
func (p pattern) matches(text string, q *Question, fold bool) bool {
	at := 0
	star, tail := -1, "" // what follows the last star, and where in the text to try it
	for {
		switch {
		case at < len(p) && p[at].kind == many:
			if at++; at == len(p) {
				return true
			}
			if last := &p[at]; at == len(p)-1 && last.kind == literal {
				return strings.HasSuffix(text, last.text)
			}
			star, tail = at, text
		case at == len(p) && text == "":
			return true
		default:
			if at < len(p) {
				if size, ok := p[at].takes(text, q, fold); ok {
					text, at = text[size:], at+1
					continue
				}
			}
			if star < 0 || tail == "" {
				return false
			}
			_, size := utf8.DecodeRuneInString(tail)
			tail = tail[size:]
		}
		if next := &p[star]; next.kind == literal { // most places need not be tried
			found := strings.Index(tail, next.text)
			if found < 0 {
				return false
			}
			tail = tail[found:]
		}
		text, at = tail, star
	}
}

// takes returns how much of the beginning of a text a piece stands for.
func (c *piece) takes(text string, q *Question, fold bool) (size int, ok bool) {
	want := c.text
	switch c.kind {
	case one:
		_, size = utf8.DecodeRuneInString(text) // a byte that is not UTF-8 is a character, too
		return size, size > 0
	case variable:
		if value, given := c.key.text(q); given {
			want = value
		} else if !c.fallback {
			return 0, false
		}
		if fold {
			want = strings.ToLower(want)
		}
	}
	return len(want), strings.HasPrefix(text, want)
}
