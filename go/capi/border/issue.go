package border

import (
	"encoding/json"

	"osp/go/session"
)

// Issued writes temporary keys in the JSON of include/osp.h.
func Issued(keys session.Keys) []byte {
	out, err := json.Marshal(map[string]any{
		"access_key": keys.AccessKey, "secret_key": keys.Secret.Reveal(), "session_token": keys.Token.Reveal(),
		"expiration": float64(keys.Expires.UnixMicro()) / 1e6,
	})
	if err != nil {
		panic(err) // texts and numbers always marshal
	}
	return out
}
