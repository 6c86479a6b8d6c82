package strictxml

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"osp/go/s3err"
)

// values reads <list><value>text</value>...</list>.
func values(from io.Reader) ([]string, error) {
	r := New(from)
	var out []string
	err := r.Document("list", func(name string) error {
		if name != "value" {
			return Unknown()
		}
		text, err := r.Text()
		out = append(out, text)
		return err
	})
	return out, err
}

func TestADocumentIsReadHoweverItIsSpelled(t *testing.T) {
	for _, document := range []string{
		`<list><value>a&amp;b</value><value/></list>`,
		"\ufeff" + `<?xml version="1.0" encoding="UTF-8"?>` + "\r\n" + `<!-- c --><list xmlns="x"> <!-- c --> <value>a&#38;b</value>` + "\t" + `<value></value></list>` + "\n<!-- c -->",
		`<x:list xmlns:x="y"><x:value>a<![CDATA[&]]>b</x:value><x:value a="b"/></x:list>`,
	} {
		for _, from := range []io.Reader{strings.NewReader(document), iotest.OneByteReader(strings.NewReader(document)), iotest.DataErrReader(strings.NewReader(document))} {
			if got, err := values(from); err != nil || !slices.Equal(got, []string{"a&b", ""}) {
				t.Errorf("%s: got %q, %v", document, got, err)
			}
		}
	}
}

func TestWhatTwoParsersCouldReadInDifferentWaysIsRefused(t *testing.T) {
	for _, document := range []string{
		``, ` `, `<other/>`, `<list>`, `<list/><list/>`, `<list/>x`, `x<list/>`, `<list>x</list>`, `<list>&#160;</list>`, `<list><value>a</list></value>`,
		`<!DOCTYPE list><list/>`, `<!DOCTYPE list [<!ENTITY x "y">]><list><value>&x;</value></list>`, `<list><value>&x;</value></list>`,
		`<!DOCTYPE list SYSTEM "http://x/"><list/>`, `<list><!ELEMENT x></list>`, `<list/><!x>`,
		`<?php x?><list/>`, `<list><?x y?></list>`, `<list><value>a<?x y?>b</value></list>`, `<list/><?xml version="1.0"?>`, ` <?xml version="1.0"?><list/>`,
		`<?xml version="1.0" encoding="UTF-16"?><list/>`, `<?xml version="1.1"?><list/>`,
		`<list><value>a<!-- c -->b</value></list>`, `<list><value>a<b/></value></list>`, `<list><value>a<value>b</value></value></list>`,
		"<list><value>\x00</value></list>", "<list><value>&#0;</value></list>", "<list><value>\xff</value></list>", `<list><new/></list>`,
		"\xfe\xff<list/>", `{"list": []}`,
	} {
		if got, err := values(strings.NewReader(document)); !errors.Is(err, s3err.MalformedXML) {
			t.Errorf("%q: got %q, %v", document, got, err)
		}
	}
}

// endless delivers a beginning and then the same again and again. It records
// how much was read.
type endless struct {
	beginning, again string
	taken            int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.beginning)
	e.beginning = e.beginning[n:]
	for n < len(p) {
		n += copy(p[n:], e.again)
	}
	e.taken += n
	return n, nil
}

func TestADocumentWithoutEndCostsLittle(t *testing.T) {
	for _, c := range []struct {
		beginning, again string
		most             int // bytes read
	}{
		{"", "<a/>", 8 << 10}, {"<list>", "<a/>", 8 << 10}, {"<list>", "text", 32 << 10}, {"<list><value>", "<value>", 8 << 10},
		{"", " ", 32 << 10}, {"<list>", " ", 32 << 10}, {"<list><value>", "a", 32 << 10}, {"<list><value>", "&lt;", 32 << 10},
		{"<list ", "a='b' ", 32 << 10}, {"<list a='", "a", 32 << 10}, {"<", "a", 32 << 10}, {"<!--", " ", 32 << 10}, {"<?", "a", 32 << 10},
		{"<!DOCTYPE ", "[<", 32 << 10}, {"<list><value>", "<![CDATA[a]]>", 1 << 20}, {"<list>", "<!---->", 1 << 20}, {"", "\n<!---->", 1 << 20},
		{"<list>", "<value/>", 1 << 20},
	} {
		from := &endless{beginning: c.beginning, again: c.again}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r := New(from)
		err := r.Document("list", func(name string) error {
			if name != "value" {
				return Unknown()
			}
			_, err := r.Text()
			return err
		})
		runtime.ReadMemStats(&after)
		if !errors.Is(err, s3err.MalformedXML) || from.taken > c.most {
			t.Errorf("%s%s...: %v after %d bytes", c.beginning, c.again, err, from.taken)
		}
		if all := after.TotalAlloc - before.TotalAlloc; all > 32<<20 {
			t.Errorf("%s%s...: %d bytes of memory", c.beginning, c.again, all)
		}
	}
}

func TestWhatReadingCameToIsTheAnswer(t *testing.T) {
	for _, broken := range []error{errors.New("broken"), fmt.Errorf("too early: %w", io.EOF), s3err.IncompleteBody.Because(io.EOF)} {
		for _, document := range []string{"", "<list>", "<list><value>a", "<list/>", "<list/> "} {
			if _, err := values(io.MultiReader(strings.NewReader(document), iotest.ErrReader(broken))); err != broken {
				t.Errorf("%s, then %v: %v", document, broken, err)
			}
		}
	}
}

// However a document arrives, it says the same.
func FuzzReader(f *testing.F) {
	f.Add("<list><value>a</value></list>")
	f.Add("<?xml version='1.0'?><!-- --><x:list><x:value><![CDATA[<]]>&#13;</x:value></x:list>")
	f.Fuzz(func(t *testing.T, document string) {
		got, err := values(strings.NewReader(document))
		again, err2 := values(iotest.OneByteReader(strings.NewReader(document)))
		if (err == nil) != (err2 == nil) || err == nil && !slices.Equal(got, again) {
			t.Fatalf("%q: %q, %v and %q, %v", document, got, err, again, err2)
		}
	})
}
