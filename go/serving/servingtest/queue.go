package servingtest

import (
	"sync/atomic"

	"osp/go/serving"
)

// Gate is a queue in which requests wait until the test lets them go on.
type Gate struct {
	Waiting chan string   // whose requests enter
	Pass    chan struct{} // lets one go on
	Inside  atomic.Int64  // those that went on, and have not left
}

// NewGate returns one that so many requests can enter before the test looks.
func NewGate(requests int) *Gate {
	return &Gate{Waiting: make(chan string, requests), Pass: make(chan struct{}, requests)}
}

// Enter implements serving.Queue.
func (g *Gate) Enter(c serving.Client) {
	g.Waiting <- c.TurnsOf()
	<-g.Pass
	g.Inside.Add(1)
}

// Leave implements serving.Queue.
func (g *Gate) Leave() { g.Inside.Add(-1) }
