// Package roles says who gets which session.
package roles

import (
	"time"

	"osp/go/access"
	"osp/go/identity"
)

// Request is what somebody asks for.
type Request struct {
	Action, Role, SessionName, ExternalID, SourceIdentity string
	Duration                                              time.Duration
	Policies                                              []string
	Tags                                                  map[string]string
	Identity                                              *identity.Identity
	Caller                                                *access.Principal
	ClientIP                                              string
}
