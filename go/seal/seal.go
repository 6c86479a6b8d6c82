// Package seal makes texts that clients carry but can't read: a store's token
// for a place in a listing, or its id of an upload, if that says more than a
// client may know. A sealed text is opened by whoever derives the same Key,
// even on another machine or after a restart; nothing is stored. The package
// decides nothing about clients and knows no S3.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"osp/go/secret"
)

// MaxText is how many bytes a text to be sealed may have. A key of S3 has
// 1,024, and stores that turn one into a token encode it in base64 and add some
// hundred bytes of their own.
const MaxText = 4096

// The sizes of the parts of a sealed text, except for the text itself.
const (
	nonceSize = 12
	tagSize   = 16
)

// Why a text can't be sealed.
var (
	ErrNoKey = errors.New("there is no key to seal with")
	ErrLong  = errors.New("the text is too long to be sealed")
)

// coding has only one way to write each text, and no character that a URL would
// escape.
var coding = base64.RawURLEncoding.Strict()

// Key seals and opens. Equal keys compare equal, and like a secret.Value a Key
// never prints. The zero Key seals and opens nothing.
type Key struct {
	material secret.Value // for AES-256, and for the HMAC that computes nonces
}

// Format implements fmt.Formatter with a placeholder for every verb.
func (k Key) Format(f fmt.State, verb rune) { k.material.Format(f, verb) }

// LogValue implements slog.LogValuer with a placeholder.
func (k Key) LogValue() slog.Value { return k.material.LogValue() }

// MarshalText keeps the key out of JSON and every other text encoding.
func (k Key) MarshalText() ([]byte, error) { return k.material.MarshalText() }

// keySize is that of each half of the material.
const keySize = 32

// Derive derives a Key by HKDF (RFC 5869). The same secrets and names, in the
// same order, give the same Key; without secrets it is no more secret than the
// names are.
func Derive(purpose string, secrets []secret.Value, names ...string) Key {
	var from []byte
	for _, s := range secrets {
		from = appendSized(from, s.Reveal())
	}
	info := appendSized(nil, purpose)
	for _, name := range names {
		info = appendSized(info, name)
	}
	material, err := hkdf.Key(sha256.New, from, nil, string(info), 2*keySize)
	if err != nil {
		panic(err) // a length that SHA-256 can't give, which this is not
	}
	return Key{secret.New(string(material))}
}

// Seal returns a text for clients, in letters that need no escape anywhere. It
// is the same each time, so that one thing keeps one name; what is sealed as
// one kind does not open as another. The errors are ErrNoKey and ErrLong.
func (k Key) Seal(kind, text string) (string, error) {
	if k.material.Empty() {
		return "", ErrNoKey
	}
	if len(text) > MaxText {
		return "", ErrLong
	}
	sealed := make([]byte, 0, nonceSize+len(text)+tagSize)
	sealed = append(sealed, k.nonce(kind, text)...)
	sealed = k.aead().Seal(sealed, sealed, []byte(text), []byte(kind))
	return coding.EncodeToString(sealed), nil
}

// Open returns what was sealed. It reports false for everything else.
func (k Key) Open(kind, sealed string) (string, bool) {
	if k.material.Empty() || len(sealed) > coding.EncodedLen(nonceSize+MaxText+tagSize) {
		return "", false
	}
	if strings.ContainsAny(sealed, "\r\n") { // which base64 ignores
		return "", false
	}
	raw, err := coding.DecodeString(sealed)
	if err != nil || len(raw) < nonceSize+tagSize {
		return "", false
	}
	text, err := k.aead().Open(nil, raw[:nonceSize], raw[nonceSize:], []byte(kind))
	if err != nil || subtle.ConstantTimeCompare(k.nonce(kind, string(text)), raw[:nonceSize]) != 1 {
		return "", false
	}
	return string(text), true
}

// nonce is synthetic, as in SIV (RFC 5297): it depends on everything that is
// sealed, so no two texts share one, and no counter has to be agreed on.
func (k Key) nonce(kind, text string) []byte {
	mac := hmac.New(sha256.New, []byte(k.material.Reveal()[keySize:]))
	mac.Write(appendSized(nil, kind))
	mac.Write([]byte(text))
	return mac.Sum(nil)[:nonceSize]
}

func (k Key) aead() cipher.AEAD {
	block, err := aes.NewCipher([]byte(k.material.Reveal()[:keySize]))
	if err != nil {
		panic(err) // a size that AES does not have, which this is not
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // another block size than AES's
	}
	return aead
}

// appendSized appends a text such that no other list of texts gives the same
// bytes.
func appendSized(b []byte, text string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(text))), text...)
}
