package turns

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func popAll(l *Line[string]) string {
	var all []string
	for {
		value, ok := l.Pop()
		if !ok {
			return strings.Join(all, " ")
		}
		all = append(all, value)
	}
}

func TestOwnersTakeTurnsAndTheirOwnStayInOrder(t *testing.T) {
	var l Line[string]
	for _, value := range []string{"a1", "a2", "a3", "a4", "b1", "c1", "c2"} {
		l.Push(value[:1], value)
	}
	if got := popAll(&l); got != "a1 b1 c1 a2 c2 a3 a4" {
		t.Error(got)
	}
}

func TestWhoeverComesBackWaitsForEachOtherOwnerOnce(t *testing.T) {
	var l Line[string]
	for _, value := range []string{"a1", "a2", "a3", "b1"} {
		l.Push(value[:1], value)
	}
	var got []string
	for i := range 6 {
		value, ok := l.Pop()
		if !ok {
			break
		}
		if got = append(got, value); value[0] == 'b' {
			l.Push("b", fmt.Sprint("b", i+2))
		}
	}
	if text := strings.Join(got, " "); text != "a1 b1 a2 b3 a3 b5" {
		t.Error(text)
	}
}

func TestWhoeverMayNotHaveHisTurnIsPassedOver(t *testing.T) {
	var l Line[string]
	for _, value := range []string{"a1", "a2", "b1", "c1", "c2"} {
		l.Push(value[:1], value)
	}
	var got []string
	for _, may := range []string{"bc", "bc", "ac", "b", "ac"} {
		value, _ := l.PopFrom(func(owner string) bool { return strings.Contains(may, owner) })
		got = append(got, value)
	}
	if text := strings.Join(got, " "); text != "b1 c1 a1  c2" {
		t.Error(text)
	}
}

func TestSomebodyWithManyMakesRoomForSomebodyWithFewer(t *testing.T) {
	var l Line[string]
	for _, value := range []string{"a1", "b1", "a2", "a3"} {
		l.Push(value[:1], value)
	}
	if value, ok := l.Displace("b"); !ok || value != "a3" {
		t.Errorf("%q, %v", value, ok)
	}
	for _, newcomer := range []string{"a", "b"} { // two beside two would be no better
		if value, ok := l.Displace(newcomer); ok {
			t.Errorf("%s displaces %s", newcomer, value)
		}
	}
	if value, ok := l.Displace("c"); !ok || value != "a2" {
		t.Errorf("%q, %v", value, ok)
	}
	if got := popAll(&l); got != "a1 b1" {
		t.Error(got)
	}
}

// A Line and a plain model of it do the same, whatever is done.
func TestALineIsThatOfItsModel(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for range 200 {
		var l Line[int]
		places := map[int]*Place[int]{}
		queues, ring := map[string][]int{}, []string{}
		drop := func(owner string, value int) {
			queues[owner] = slices.DeleteFunc(queues[owner], func(v int) bool { return v == value })
			if len(queues[owner]) == 0 {
				delete(queues, owner)
				ring = slices.DeleteFunc(ring, func(o string) bool { return o == owner })
			}
		}
		owners := map[int]string{}
		for value := range 200 {
			switch owner := string(rune('a' + random.IntN(5))); random.IntN(4) {
			case 0, 1:
				places[value], owners[value] = l.Push(owner, value), owner
				if len(queues[owner]) == 0 {
					ring = append(ring, owner)
				}
				queues[owner] = append(queues[owner], value)
			case 2:
				got, ok := l.Pop()
				if ok != (len(ring) > 0) {
					t.Fatal(ok)
				}
				if ok {
					turn := ring[0]
					if got != queues[turn][0] {
						t.Fatalf("%d, want %d", got, queues[turn][0])
					}
					ring = append(ring[1:], turn)
					drop(turn, got)
				}
			case 3:
				some := random.IntN(value + 1)
				if p := places[some]; p != nil {
					if was := slices.Contains(queues[owners[some]], some); l.Remove(p) != was {
						t.Fatalf("%d was there: %v", some, was)
					}
					drop(owners[some], some)
				}
			}
			left := 0
			for _, q := range queues {
				left += len(q)
			}
			if l.Len() != left {
				t.Fatalf("%d wait, want %d", l.Len(), left)
			}
		}
	}
}
