package observe

import (
	"crypto/sha256"
	"encoding/hex"
)

const (
	longestKey  = 32 // AWS's are 20 long, IBM's 32; what is longer may be a token that opens something
	shownOfKey  = 4
	shownOfHash = 16
)

// ShortKey is an access key as logs show it. One that may be a JWT or another
// token is reduced to its first letters and its hash, which distinguishes it
// from others and opens nothing.
func ShortKey(key string) string {
	if len(key) <= longestKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return key[:shownOfKey] + shortened + hex.EncodeToString(sum[:])[:shownOfHash]
}

const shortened = "...sha256:"

// IsShortened reports whether a key in a log is not the whole key.
func IsShortened(key string) bool {
	return len(key) == shownOfKey+len(shortened)+shownOfHash && key[shownOfKey:][:len(shortened)] == shortened
}

// longestText is how much of a client's text a log shows, in bytes: strangers
// must not fill a disk with it.
const longestText = 1024

// Clip shortens a text for a log.
func Clip(text string) string {
	if len(text) <= longestText {
		return text
	}
	return text[:longestText] + "..."
}
