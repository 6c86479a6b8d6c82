package shared

import "testing"

// NewReplicas are two that take part in a fleet at a server of its own, for tests that
// compare it with package sharedtest, which imports this one.
func NewReplicas(t *testing.T) (one, two *State) {
	f := newFleet(t, newServer(t))
	return f.replica().State, f.replica().State
}
