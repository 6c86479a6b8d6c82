// Package strictxml reads the XML documents that clients send, token by token,
// in memory that does not grow with them. What two parsers could read
// differently is an error: declarations of a document type and entities,
// processing instructions, text between elements, comments within a value. It
// knows no document of S3's; its caller says which elements a document may
// have.
package strictxml

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"io"

	"osp/go/s3err"
)

// What a document may cost. The longest text in S3 is a key of 1,024 bytes, of
// which XML may write each with six characters; the longest list has 1,000
// objects with up to five fields each, and space around all of them.
const (
	maxToken  = 16 << 10 // bytes of one tag, text or comment
	maxTokens = 40_000
)

var (
	errLong     = errors.New("a tag, text or comment is too long")
	errMany     = errors.New("too many tags, texts and comments")
	errPart     = errors.New("a kind of XML that no document needs")
	errText     = errors.New("text between elements")
	errElement  = errors.New("an element inside a value")
	errRoot     = errors.New("another document")
	errContinue = errors.New("something follows the document")
)

// Reader reads one document. Its errors are MalformedXML, or those of its
// source. Make it with New.
type Reader struct {
	in     source
	dec    *xml.Decoder
	tokens int
}

// New returns a Reader of a document.
func New(from io.Reader) *Reader {
	r := &Reader{in: source{from: bufio.NewReader(from)}}
	r.in.skipByteOrderMark()
	r.dec = xml.NewDecoder(&r.in)
	return r
}

// Document reads a whole document with one root element up to the end of the
// source, so that a source that verifies what it delivers has verified
// everything. child is as in Elements.
func (r *Reader) Document(name string, child func(name string) error) error {
	token, err := r.next()
	if err != nil {
		return err
	}
	if start, ok := token.(xml.StartElement); !ok || start.Name.Local != name {
		return malformed(errRoot)
	}
	if err := r.Elements(child); err != nil {
		return err
	}
	switch _, err := r.next(); {
	case err == nil:
		return malformed(errContinue)
	case errors.Is(err, io.EOF) && r.in.err == io.EOF:
		return nil
	default:
		return err
	}
}

// Elements reads to the end of the open element, which contains elements and
// nothing else. child is called for each, and has to read it to its end with
// Elements or Text.
func (r *Reader) Elements(child func(name string) error) error {
	for {
		token, err := r.next()
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if err := child(t.Name.Local); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		}
	}
}

// Text reads to the end of the open element, and returns its text, which is all
// that it may contain.
func (r *Reader) Text() (string, error) {
	var text []byte
	for {
		token, err := r.token()
		if err != nil {
			return "", err
		}
		switch t := token.(type) {
		case xml.CharData:
			if len(text)+len(t) > maxToken {
				return "", malformed(errLong)
			}
			text = append(text, t...)
		case xml.EndElement:
			return string(text), nil
		default:
			return "", malformed(errElement)
		}
	}
}

// Unknown is the error for an element that a document does not have.
func Unknown() error { return malformed(errors.New("an unknown element")) }

// next is token without space and comments, for places where nothing else may
// be between elements.
func (r *Reader) next() (xml.Token, error) {
	for {
		token, err := r.token()
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.Comment:
		case xml.CharData:
			if len(bytes.Trim(t, " \t\r\n")) > 0 {
				return nil, malformed(errText)
			}
		case xml.ProcInst:
			if t.Target != "xml" || r.tokens > 1 { // the declaration, which can only come first
				return nil, malformed(errPart)
			}
		case xml.Directive:
			return nil, malformed(errPart)
		default:
			return token, nil
		}
	}
}

func (r *Reader) token() (xml.Token, error) {
	if r.tokens++; r.tokens > maxTokens {
		return nil, malformed(errMany)
	}
	r.in.left = maxToken
	token, err := r.dec.Token()
	switch {
	case err == nil:
		return token, nil
	case r.in.err != nil && r.in.err != io.EOF:
		return nil, r.in.err
	}
	return nil, malformed(err)
}

func malformed(why error) error { return s3err.MalformedXML.Because(why) }

// source delivers bytes as long as the current token may have more.
type source struct {
	from *bufio.Reader
	left int
	err  error // of reading
}

// skipByteOrderMark skips what some clients write before UTF-8.
func (s *source) skipByteOrderMark() {
	if mark, _ := s.from.Peek(3); string(mark) == "\ufeff" { // an error is reported again by the next read
		_, _ = s.from.Discard(len(mark))
	}
}

// ReadByte implements io.ByteReader, which is what the decoder reads by.
func (s *source) ReadByte() (byte, error) {
	if s.left == 0 {
		return 0, errLong
	}
	s.left--
	c, err := s.from.ReadByte()
	if err != nil {
		s.err = err
	}
	return c, err
}

// Read implements io.Reader, which the decoder requires but does not use.
func (s *source) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c, err := s.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = c
	return 1, nil
}
