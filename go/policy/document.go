package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxDocument = 1 << 20 // bytes
	maxDepth    = 8       // levels of objects and lists; a condition's values are on the sixth
)

// node is one value of a document, and where it stands.
type node struct {
	path    string
	line    int
	kind    json.Delim // '{', '[', or one of those below
	text    string     // of a string or a number
	names   []string   // of an object's members
	members []*node    // an object's, in the order of names, or a list's
	truth   bool
}

// The kinds that json.Delim has no name for.
const (
	isString  json.Delim = 's'
	isNumber  json.Delim = 'n'
	isBoolean json.Delim = 'b'
	isNothing json.Delim = '0'
)

// readDocument reads one JSON value. It is stricter than encoding/json: no name
// occurs twice in an object, and no text loses a character.
func readDocument(data []byte, mistakes *MistakesError) *node {
	root := &node{line: 1}
	switch {
	case len(data) > maxDocument:
		mistakes.add(root, "must have at most %d bytes", maxDocument)
		return nil
	case !utf8.Valid(data):
		mistakes.add(root, "is not UTF-8")
		return nil
	}
	var syntax *json.SyntaxError
	if err := json.Unmarshal(data, new(json.RawMessage)); errors.As(err, &syntax) {
		root.line = 1 + bytes.Count(data[:syntax.Offset], []byte("\n"))
		mistakes.add(root, "is not JSON: %s", syntax.Error())
		return nil
	}
	d := &documentReader{data: data, tokens: json.NewDecoder(bytes.NewReader(data)), line: 1, mistakes: mistakes}
	d.tokens.UseNumber()
	d.read(root, 0)
	if d.failed {
		return nil
	}
	return root
}

type documentReader struct {
	data     []byte
	tokens   *json.Decoder
	line     int // of the last token
	counted  int // bytes whose line ends are counted
	failed   bool
	mistakes *MistakesError
}

// next returns a token of what is known to be JSON.
func (d *documentReader) next() json.Token {
	t, err := d.tokens.Token()
	if err != nil {
		panic(err) // json.Unmarshal has accepted the document
	}
	end := int(d.tokens.InputOffset())
	d.line += bytes.Count(d.data[d.counted:end], []byte("\n"))
	d.counted = end
	return t
}

func (d *documentReader) read(n *node, depth int) {
	if depth > maxDepth {
		d.fail(n, "is nested too deeply")
		return
	}
	token := d.next()
	n.line = d.line
	switch t := token.(type) {
	case json.Delim:
		n.kind = t
		d.readMembers(n, depth)
		d.next() // its end
	case string:
		n.kind, n.text = isString, t
		if strings.ContainsRune(t, utf8.RuneError) { // half of a surrogate pair, or worse
			d.fail(n, "must be valid Unicode")
		}
	case json.Number:
		n.kind, n.text = isNumber, t.String()
	case bool:
		n.kind, n.truth = isBoolean, t
	default:
		n.kind = isNothing
	}
}

func (d *documentReader) readMembers(n *node, depth int) {
	seen := map[string]bool{}
	for i := 0; !d.failed && d.tokens.More(); i++ {
		member := &node{path: n.path + "[" + strconv.Itoa(i) + "]", line: d.line}
		if n.kind == '{' {
			name := d.next().(string)
			member.path, member.line = join(n.path, name), d.line
			if seen[name] {
				d.fail(member, "is given more than once")
				return
			}
			seen[name] = true
			n.names = append(n.names, name)
		}
		d.read(member, depth+1)
		n.members = append(n.members, member)
	}
}

func (d *documentReader) fail(n *node, message string) {
	d.failed = true
	d.mistakes.add(n, "%s", message)
}

// join writes the path of a member as Python and TOML do: plain names after a dot,
// all others in brackets.
func join(path, name string) string {
	const longest = 64
	plain := name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
	switch {
	case len(name) > longest:
		return path + `["..."]`
	case !plain:
		return path + "[" + strconv.Quote(name) + "]"
	case path == "":
		return name
	}
	return path + "." + name
}

// member returns a member of an object, nil if there is none.
func (n *node) member(name string) *node {
	for i, known := range n.names {
		if known == name {
			return n.members[i]
		}
	}
	return nil
}

// items are the values of a list, or a value by itself, as AWS takes either.
func (n *node) items() []*node {
	if n.kind == '[' {
		return n.members
	}
	return []*node{n}
}
