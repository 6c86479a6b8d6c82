package shared

import (
	"errors"
	"fmt"
	"strings"

	"github.com/valkey-io/valkey-go"
)

// ErrAway says that the shared state can't be used now. What is done then is
// the caller's business.
var ErrAway = errors.New("the shared state is away")

// What Revoke can fail with.
var (
	// ErrNotRecorded says that nothing is certain: the revocation was not
	// recorded, or its confirmation was lost.
	ErrNotRecorded = errors.New("the revocation was not recorded, so other replicas may go on answering by what they remember")
	// ErrUnconfirmed says that a revocation is recorded, but that some replica
	// may still answer by what it remembers.
	ErrUnconfirmed = errors.New("the revocation is recorded, but not every replica has confirmed it in time")
)

var (
	errNotConnected = fmt.Errorf("%w: there is no connection", ErrAway)
	errAnswer       = fmt.Errorf("%w: it answers nonsense", ErrAway)
	errLost         = errors.New("the log of revocations is lost")
)

// fault is whose a failed command is.
type fault int

const (
	faultOfServer fault = iota // it can't be reached, is too slow, or does not serve
	faultOfRole                // it serves, but is not the one that takes writes: another connection may find that one
	faultOfKey                 // it serves, only not this
)

// serverFaults begin replies that say something about the server, not about
// what was asked for.
var serverFaults = []string{"BUSY", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "MISCONF", "OOM", "NOAUTH", "WRONGPASS", "NOPERM", "UNKILLABLE", "MOVED", "ASK"}

// roleFaults are those of a server that has become another's copy, or is not
// ready to be asked.
var roleFaults = []string{"READONLY", "LOADING", "MASTERDOWN"}

func faultOf(err error) fault {
	reply, ok := valkey.IsValkeyErr(err)
	if !ok {
		return faultOfServer
	}
	// What a script's command says may stand behind "ERR ".
	text := strings.TrimPrefix(strings.TrimPrefix(reply.Error(), "ERR "), "-")
	switch {
	case beginsWith(text, roleFaults):
		return faultOfRole
	case beginsWith(text, serverFaults):
		return faultOfServer
	}
	return faultOfKey
}

func beginsWith(text string, words []string) bool {
	for _, word := range words {
		if strings.HasPrefix(text, word) {
			return true
		}
	}
	return false
}

// isWrongType reports an error about a key that holds something else.
func isWrongType(err error) bool {
	reply, ok := valkey.IsValkeyErr(err)
	return ok && strings.Contains(reply.Error(), "WRONGTYPE")
}
