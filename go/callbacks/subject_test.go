package callbacks

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

// attribute is one of a name.
type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// attributeSET is encoded as a set.
type attributeSET []attribute

var (
	typeCN, typeO, typeOU  = asn1.ObjectIdentifier{2, 5, 4, 3}, asn1.ObjectIdentifier{2, 5, 4, 10}, asn1.ObjectIdentifier{2, 5, 4, 11}
	typeC, typeST, typeL   = asn1.ObjectIdentifier{2, 5, 4, 6}, asn1.ObjectIdentifier{2, 5, 4, 8}, asn1.ObjectIdentifier{2, 5, 4, 7}
	typeSTREET, typeSerial = asn1.ObjectIdentifier{2, 5, 4, 9}, asn1.ObjectIdentifier{2, 5, 4, 5}
	typeDC, typeUID        = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}
	typeEmail              = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
	typeTitle, typeOther   = asn1.ObjectIdentifier{2, 5, 4, 12}, asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 1466, 0}
)

// text makes an attribute whose value is a text, in one of ASN.1's types for them.
func text(of asn1.ObjectIdentifier, tag int, value string) attribute {
	content := []byte(value)
	switch tag {
	case asn1.TagBMPString:
		content = nil
		for _, unit := range utf16.Encode([]rune(value)) {
			content = append(content, byte(unit>>8), byte(unit))
		}
	case asn1.TagT61String:
		content = nil
		for _, r := range value {
			content = append(content, byte(r))
		}
	}
	return attribute{of, asn1.RawValue{Tag: tag, Bytes: content}}
}

func utf8Text(of asn1.ObjectIdentifier, value string) attribute {
	return text(of, asn1.TagUTF8String, value)
}

// one is a set of one attribute.
func one(of asn1.ObjectIdentifier, value string) attributeSET {
	return attributeSET{utf8Text(of, value)}
}

// blob is a set of one attribute whose value is anything.
func blob(tag int, content string) attributeSET {
	return attributeSET{{typeCN, asn1.RawValue{Tag: tag, Bytes: []byte(content)}}}
}

func nameOf(t testing.TB, sequence ...attributeSET) []byte {
	t.Helper()
	raw, err := asn1.Marshal(append([]attributeSET{}, sequence...))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestASubjectIsWrittenAsRFC4514Says(t *testing.T) {
	dc := []attributeSET{one(typeDC, "net"), one(typeDC, "example")}
	for _, c := range []struct {
		want     string
		sequence []attributeSET
	}{
		// The examples of RFC 4514, section 4; in which order a set is, is not said there.
		{"UID=jsmith,DC=example,DC=net", append(dc, one(typeUID, "jsmith"))},
		{"CN=J.  Smith+OU=Sales,DC=example,DC=net", append(dc, attributeSET{utf8Text(typeCN, "J.  Smith"), utf8Text(typeOU, "Sales")})},
		{`CN=James \"Jim\" Smith\, III,DC=example,DC=net`, append(dc, one(typeCN, `James "Jim" Smith, III`))},
		{`CN=Before\0DAfter,DC=example,DC=net`, append(dc, one(typeCN, "Before\rAfter"))},
		{"1.3.6.1.4.1.1466.0=#04024869", []attributeSET{{{typeOther, asn1.RawValue{Tag: asn1.TagOctetString, Bytes: []byte("Hi")}}}}},
		{"CN=Lučić", []attributeSET{one(typeCN, "Lučić")}},

		{"", nil},
		{"CN=", []attributeSET{one(typeCN, "")}},
		{"CN=alice,CN=Users,DC=example,DC=net", append(dc, one(typeCN, "Users"), one(typeCN, "alice"))},
		{"C=DE,ST=A,L=München,STREET=Weg 1,O=B,OU=C", []attributeSET{
			one(typeOU, "C"), one(typeO, "B"), one(typeSTREET, "Weg 1"), one(typeL, "München"), one(typeST, "A"), one(typeC, "DE")}},
		{"emailAddress=a@example.com,serialNumber=5", []attributeSET{one(typeSerial, "5"), {text(typeEmail, asn1.TagIA5String, "a@example.com")}}},
		{"2.5.4.12=#0C024D72", []attributeSET{one(typeTitle, "Mr")}},
		{`CN=alice\,O=Admins`, []attributeSET{one(typeCN, "alice,O=Admins")}},
		{"CN=alice,O=Admins", []attributeSET{one(typeO, "Admins"), one(typeCN, "alice")}},
		{`CN=a\+CN=b`, []attributeSET{one(typeCN, "a+CN=b")}},
		{`CN=\#a#\<\>\;\\\"`, []attributeSET{one(typeCN, `#a#<>;\"`)}},
		{`CN=\ `, []attributeSET{one(typeCN, " ")}},
		{`CN=\ \ `, []attributeSET{one(typeCN, "  ")}},
		{`CN=\ a  b\ `, []attributeSET{one(typeCN, " a  b ")}},
		{`CN=a\00\7F`, []attributeSET{one(typeCN, "a\x00\x7f")}},
		{"CN=é€", []attributeSET{{text(typeCN, asn1.TagBMPString, "é€")}}},
		{"CN=é", []attributeSET{{text(typeCN, asn1.TagT61String, "é")}}},
		{"CN=12", []attributeSET{{text(typeCN, asn1.TagNumericString, "12")}}},
		{"CN=a b", []attributeSET{{text(typeCN, asn1.TagPrintableString, "a b")}}},

		// What is no text, whatever it says that it is.
		{"CN=#020105", []attributeSET{blob(asn1.TagInteger, "\x05")}},
		{"CN=#0C02C328", []attributeSET{blob(asn1.TagUTF8String, "\xc3(")}},
		{"CN=#1601E9", []attributeSET{blob(asn1.TagIA5String, "\xe9")}},
		{"CN=#1E0161", []attributeSET{blob(asn1.TagBMPString, "a")}},
		{"CN=#1E02D800", []attributeSET{blob(asn1.TagBMPString, "\xd8\x00")}},
		{"CN=#8C0161", []attributeSET{{{typeCN, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: asn1.TagUTF8String, Bytes: []byte("a")}}}}},
		{"CN=#2C030C0161", []attributeSET{{{typeCN, asn1.RawValue{Tag: asn1.TagUTF8String, IsCompound: true, Bytes: []byte("\x0c\x01a")}}}}},
	} {
		if got := subjectOf(nameOf(t, c.sequence...)); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

// Go reads such names, so they must not pass for others.
func TestWhatIsNoNameIsShownAsItIs(t *testing.T) {
	for raw, want := range map[string]string{
		"":                 "#",
		"\x30\x02\x31\x00": "#30023100",
		"\x30\x0e\x31\x0c\x30\x0a\x06\x03\x55\x04\x03\x0c\x01a\x05\x00": "#300E310C300A06035504030C01610500", // more than a type and a value
		"\x30\x00\x00": "#300000",
		"\x30\x09\x31\x07\x30\x05\x06\x03\x55\x04\x03": "#3009310730050603550403",
	} {
		if got := subjectOf([]byte(raw)); got != want {
			t.Errorf("%x: got %s, want %s", raw, got, want)
		}
	}
}

// hostile are names of many kinds, made of what could be mistaken for syntax.
func hostile(r *mathrand.Rand) []attributeSET {
	types := []asn1.ObjectIdentifier{typeCN, typeO, typeDC, typeEmail, typeOther}
	tags := []int{asn1.TagUTF8String, asn1.TagIA5String, asn1.TagBMPString, asn1.TagT61String}
	letters := []rune(`aC0N=,,++;\\#" <>` + "\x00\né")
	sequence := make([]attributeSET, 1+r.IntN(3))
	for i := range sequence {
		for range 1 + r.IntN(2) {
			tag := tags[r.IntN(len(tags))]
			value := make([]rune, r.IntN(4))
			for i := range value {
				value[i] = letters[r.IntN(len(letters))]
				if tag == asn1.TagIA5String && value[i] > 127 {
					value[i] = 'e'
				}
			}
			sequence[i] = append(sequence[i], text(types[r.IntN(len(types))], tag, string(value)))
		}
	}
	return sequence
}

func TestOpenSSLWritesSubjectsTheSame(t *testing.T) {
	version, err := exec.Command("openssl", "version").Output()
	if err != nil || !strings.HasPrefix(string(version), "OpenSSL ") {
		t.Skipf("%s %v", version, err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r := mathrand.New(mathrand.NewPCG(4514, 2253))
	for range 40 {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), RawSubject: nameOf(t, hostile(r)...)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		show := exec.Command("openssl", "x509", "-noout", "-subject", "-nameopt", "RFC2253,-esc_msb")
		show.Stdin = strings.NewReader(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
		said, err := show.Output()
		if err != nil {
			t.Fatal(err)
		}
		want := strings.TrimSuffix(strings.TrimPrefix(string(said), "subject="), "\n")
		if ends := strings.ReplaceAll(want, "+", ",") + ","; strings.Contains(ends, "=#,") {
			continue // OpenSSL does not escape a # that stands alone
		}
		if got := subjectOf(c.RawSubject); got != want {
			t.Errorf("got %s, OpenSSL %s", got, want)
		}
	}
}

func TestDifferentSubjectsAreWrittenDifferently(t *testing.T) {
	r := mathrand.New(mathrand.NewPCG(4, 5))
	for range 20_000 {
		raw := nameOf(t, hostile(r)...)
		if written := subjectOf(raw); !reflect.DeepEqual(readSubject(t, written), meaning(t, raw)) {
			t.Fatalf("%x is written %s", raw, written)
		}
	}
}

// What is written can be read back, so no two subjects are written alike.
func FuzzSubject(f *testing.F) {
	r := mathrand.New(mathrand.NewPCG(6, 7))
	for range 20 {
		f.Add(nameOf(f, hostile(r)...))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		written := subjectOf(raw)
		if strings.HasPrefix(written, "#") {
			if got, err := hex.DecodeString(written[1:]); err != nil || string(got) != string(raw) {
				t.Fatalf("%x is written %s", raw, written)
			}
			return
		}
		if !reflect.DeepEqual(readSubject(t, written), meaning(t, raw)) {
			t.Fatalf("%x is written %s", raw, written)
		}
	})
}

// meaning is what a name says: each attribute as its type and its text, or #hex.
func meaning(t *testing.T, raw []byte) [][]string {
	t.Helper()
	var sequence []attributeSET
	if rest, err := asn1.Unmarshal(raw, &sequence); err != nil || len(rest) > 0 {
		t.Fatalf("%x: %v", raw, err)
	}
	sets := [][]string{}
	for _, set := range slices.Backward(sequence) {
		var said []string
		for _, a := range slices.Backward(set) {
			value := fmt.Sprintf("#%X", a.Value.FullBytes)
			name, named := attributeNames[a.Type.String()]
			if read, isText := textOf(a.Value); named && isText {
				value = "text " + read
			} else if !named {
				name = a.Type.String()
			}
			said = append(said, name+"="+value)
		}
		sets = append(sets, said)
	}
	return sets
}

// readSubject reads what RFC 4514 says, section 3.
func readSubject(t *testing.T, written string) [][]string {
	t.Helper()
	sets := [][]string{}
	var set []string
	for written != "" {
		name, rest, found := strings.Cut(written, "=")
		if !found {
			t.Fatalf("no type: %s", written)
		}
		value, end := []byte("text "), 0
		if strings.HasPrefix(rest, "#") {
			value, end = []byte("#"), 1
		}
		for ; end < len(rest) && rest[end] != ',' && rest[end] != '+'; end++ {
			c := rest[end]
			if c == '\\' {
				end++
				c = rest[end]
				if pair, err := hex.DecodeString(rest[end:min(end+2, len(rest))]); err == nil && len(pair) == 1 {
					c, end = pair[0], end+1
				}
			} else if strings.IndexByte(`";<>`, c) >= 0 || c < ' ' || c == 0x7f {
				t.Fatalf("%q is not escaped in %s", c, rest)
			}
			value = append(value, c)
		}
		set = append(set, name+"="+string(value))
		written = rest[min(end+1, len(rest)):]
		if end == len(rest) || rest[end] == ',' {
			sets, set = append(sets, set), nil
		}
	}
	return sets
}
