package stores

import (
	"time"

	"osp/go/secret"
)

// Transport says how a store is reached. Entries for which it is equal share
// their connections.
type Transport struct {
	VerifyTLS bool         // check the store's certificate
	CA        string       // PEM certificates to trust instead of the system's; empty: the system's
	Cert      string       // PEM chain with which the proxy shows who it is; empty: it does not
	Key       secret.Value // goes with Cert
	TrustEnv  bool         // HTTPS_PROXY and its like count

	ConnectTimeout time.Duration // until a connection is established, without TLS
	AnswerTimeout  time.Duration // from the end of a request to the first byte of its answer
}
