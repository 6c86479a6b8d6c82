package policy

import "errors"

// Pattern says what a text has to be like, with the wildcards of policies and without
// their variables: nobody has a name yet where it is asked.
type Pattern struct{ pieces pattern }

var errNoVariables = errors.New("must have no variables")

// ParsePattern reads a pattern. Its error reads on after the name of what is wrong.
func ParsePattern(text string) (Pattern, error) {
	p, err := parsePattern(text)
	switch {
	case errors.Is(err, errVariable), p.number(variable) > 0:
		return Pattern{}, errNoVariables
	case err != nil:
		return Pattern{}, err
	}
	return Pattern{p}, nil
}

// Matches reports whether a text is like that. The zero Pattern is like the empty text.
func (p Pattern) Matches(text string) bool { return p.pieces.matches(text, nil, false) }
