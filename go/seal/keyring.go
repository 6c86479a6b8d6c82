package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"osp/go/secret"
)

// Why a text is no key of a keyring. None of them quotes it.
var (
	errKeyForm = errors.New(`must be "ID:KEY": a name of up to 16 letters, digits, dots, hyphens and underscores, and the key in base64`)
	errKeySize = errors.New("must have 32 bytes in base64 after its colon")
	errNoKeys  = errors.New("must have one key at least")
	errKeyID   = errors.New("must have another name than the keys before it")
)

var keyID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,16}$`)

// boxVersion is the first byte of everything that a Box seals.
const boxVersion = 1

// ringKey is one key of a Keyring.
type ringKey struct {
	id       string
	material secret.Value
}

// Keyring holds the keys that the replicas of a fleet share. The first seals,
// all of them open, so that keys are changed without a gap: add the new one
// behind the old one everywhere, then put it first, then drop the old one. It
// never prints. The zero Keyring has no keys.
type Keyring struct{ keys []ringKey }

// ParseKeyring reads texts such as "k2:" and 32 bytes in base64, the one that
// seals first. Its error says which of them, counted from 0, is wrong, and
// quotes nothing.
func ParseKeyring(texts []secret.Value) (ring Keyring, at int, err error) {
	if len(texts) == 0 {
		return Keyring{}, 0, errNoKeys
	}
	ids := map[string]bool{}
	for i, text := range texts {
		id, encoded, ok := strings.Cut(text.Reveal(), ":")
		if !ok || !keyID.MatchString(id) {
			return Keyring{}, i, errKeyForm
		}
		raw, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			raw, err = base64.RawURLEncoding.DecodeString(encoded)
		}
		if err != nil || len(raw) != keySize {
			return Keyring{}, i, errKeySize
		}
		if ids[id] {
			return Keyring{}, i, errKeyID
		}
		ids[id] = true
		ring.keys = append(ring.keys, ringKey{id, secret.New(string(raw))})
	}
	return ring, 0, nil
}

// Empty reports whether there are no keys.
func (k Keyring) Empty() bool { return len(k.keys) == 0 }

// Namers make names out of what must not be read, such as tokens: one for each
// key, that of the key that seals first. HMAC-SHA256, cut to 16 bytes, in
// letters of base64.
func (k Keyring) Namers(purpose string) []*Namer {
	namers := make([]*Namer, len(k.keys))
	for i, key := range k.keys {
		namers[i] = &Namer{derived(key, "names: "+purpose)}
	}
	return namers
}

// RandomKeyring has one key, which nobody else has: what it seals opens in this
// process alone.
func RandomKeyring() Keyring {
	raw := make([]byte, keySize)
	if _, err := rand.Read(raw); err != nil {
		panic(err) // crypto/rand never fails
	}
	return Keyring{[]ringKey{{"process", secret.New(string(raw))}}}
}

// Minter makes secrets for one purpose.
func (k Keyring) Minter(purpose string) *Minter {
	m := &Minter{keys: make(map[string][]byte, len(k.keys))}
	for _, key := range k.keys {
		m.keys[key.id] = derived(key, "secrets: "+purpose)
	}
	return m
}

// Box seals for one purpose. What is sealed for another does not open.
func (k Keyring) Box(purpose string) *Box {
	b := &Box{seal: k.keys[0].id, aead: make(map[string]cipher.AEAD, len(k.keys))}
	for _, key := range k.keys {
		block, err := aes.NewCipher(derived(key, "seals: "+purpose))
		if err != nil {
			panic(err) // a size that AES does not have, which it is not
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			panic(err) // another block size than AES's
		}
		b.aead[key.id] = aead
	}
	return b
}

// Boxes are as Box, but one for each key, in the order of Namers: each seals and opens by
// that key alone.
func (k Keyring) Boxes(purpose string) []*Box {
	boxes := make([]*Box, len(k.keys))
	for i, key := range k.keys {
		boxes[i] = Keyring{[]ringKey{key}}.Box(purpose)
	}
	return boxes
}

// derived is the key for a purpose, by HKDF (RFC 5869).
func derived(key ringKey, purpose string) []byte {
	out, err := hkdf.Key(sha256.New, []byte(key.material.Reveal()), nil, string(appendSized(nil, purpose)), keySize)
	if err != nil {
		panic(err) // a length that SHA-256 can't give, which it is not
	}
	return out
}

// Namer is safe for concurrent use.
type Namer struct{ key []byte }

// Format implements fmt.Formatter with a placeholder for every verb.
func (n *Namer) Format(f fmt.State, verb rune) { secret.Value{}.Format(f, verb) }

// Name is the name of a list of texts, which no other list has.
func (n *Namer) Name(texts ...string) string {
	mac := hmac.New(sha256.New, n.key)
	var sized []byte
	for _, text := range texts {
		sized = appendSized(sized, text)
	}
	mac.Write(sized)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// Minter makes secrets that belong to texts, and that need not be stored: whoever
// has the keyring makes them again. It is safe for concurrent use.
type Minter struct{ keys map[string][]byte }

// Format implements fmt.Formatter with a placeholder for every verb.
func (m *Minter) Format(f fmt.State, verb rune) { secret.Value{}.Format(f, verb) }

// Mint is the secret that a key of the ring makes for a list of texts: the HMAC-SHA256
// of that list and of the key's id. It reports false for a key that the ring lacks.
func (m *Minter) Mint(keyID string, texts ...string) (sum [sha256.Size]byte, ok bool) {
	key, ok := m.keys[keyID]
	if !ok {
		return sum, false
	}
	mac := hmac.New(sha256.New, key)
	sized := appendSized(nil, keyID)
	for _, text := range texts {
		sized = appendSized(sized, text)
	}
	mac.Write(sized)
	mac.Sum(sum[:0])
	return sum, true
}

// Box seals values for a place that others can write to: AES-256-GCM with a
// random nonce, so a key must not seal more than 2^32 values. It is safe for
// concurrent use.
type Box struct {
	seal string
	aead map[string]cipher.AEAD
}

// Format implements fmt.Formatter with a placeholder for every verb.
func (b *Box) Format(f fmt.State, verb rune) { secret.Value{}.Format(f, verb) }

// Seal returns version, key id, nonce and ciphertext. name is where the value
// will be found: it opens nowhere else.
func (b *Box) Seal(name string, value []byte) []byte {
	aead := b.aead[b.seal]
	out := make([]byte, 0, 2+len(b.seal)+aead.NonceSize()+len(value)+aead.Overhead())
	out = append(out, boxVersion, byte(len(b.seal)))
	out = append(out, b.seal...)
	nonce := out[len(out) : len(out)+aead.NonceSize()]
	if _, err := rand.Read(nonce); err != nil {
		panic(err) // crypto/rand never fails
	}
	out = out[:len(out)+len(nonce)]
	return aead.Seal(out, nonce, value, b.bound(name, out[:2+len(b.seal)]))
}

// Open returns what was sealed under a name by a key of the ring. It reports
// false for everything else.
func (b *Box) Open(name string, sealed []byte) ([]byte, bool) {
	id, ok := KeyOf(sealed)
	if !ok {
		return nil, false
	}
	head := sealed[:2+len(id)]
	aead := b.aead[id]
	rest := sealed[len(head):]
	if aead == nil || len(rest) < aead.NonceSize() {
		return nil, false
	}
	value, err := aead.Open(nil, rest[:aead.NonceSize()], rest[aead.NonceSize():], b.bound(name, head))
	return value, err == nil
}

// KeyOf is the id of the key that has sealed a value, as the value says: nothing is
// verified by that.
func KeyOf(sealed []byte) (id string, ok bool) {
	if len(sealed) < 2 || sealed[0] != boxVersion || len(sealed) < 2+int(sealed[1]) {
		return "", false
	}
	return string(sealed[2 : 2+int(sealed[1])]), true
}

// bound is what is authenticated beside the value.
func (b *Box) bound(name string, head []byte) []byte {
	return append(appendSized(nil, name), head...)
}
