package delta_test

import (
	"testing"
	"time"

	"chatterbox/internal/core/protocol"
)

// sparse lets a while pass in rounds; every tenth of a tick one member, each in
// turn, submits a batch. It gives how many messages had no batch.
func (s *steady) sparse(rounds int) (rows int) {
	const every = int(time.Millisecond / steadyRound)
	for round := range rounds {
		s.submit = func(i int) {
			if round%every == 0 && round/every%len(s.nodes) == i {
				s.step(i, protocol.Event{Kind: protocol.Submit, Batch: protocol.Batch{Count: 1, Bytes: make([]byte, 50)}})
			}
		}
		s.round()
		for i := range s.waiting {
			for k := range s.waiting[i] {
				if len(s.waiting[i][k].Batches) == 0 {
					rows++
				}
			}
		}
	}
	return rows
}

// TestRowsOfALargeClusterArePaced: in a cluster of 32 members into which an
// entry comes every millisecond, each member sends its row to each peer no more
// often than the pace allows, and everything settles all the same.
func TestRowsOfALargeClusterArePaced(t *testing.T) {
	const (
		members = 32
		pace    = members * members * 20 * time.Microsecond
		warm    = 2000 // rounds
		rounds  = 5000
	)
	s := newSteady(members)
	s.sparse(warm)
	before := s.slowest()
	rows := s.sparse(rounds)
	virtual := rounds * steadyRound
	if most := members * (members - 1) * int(virtual/pace+1); rows > most {
		t.Errorf("%d rows in %v, at most %d are allowed", rows, virtual, most)
	}
	entries := int(virtual / time.Millisecond)
	if got := s.slowest() - before; got < entries*8/10 {
		t.Errorf("the slowest member delivered %d of %d entries", got, entries)
	}
}
