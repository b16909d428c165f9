package driver

import (
	"bytes"
	"fmt"

	"chatterbox/internal/core/protocol"
)

// Fold adds a batch to an application's state of all that is before it in the
// order, and returns that. It may change state in place. The batch has no payloads if
// it was parked: all that is certain is its place and what was prepared of it.
type Fold func(state []byte, next *protocol.Batch) []byte

// Prefix is what the application keeps of the batches that nobody asks for any
// more. It goes with snapshots in their place: a restart begins with it, and so
// does a member that lost its data. The zero value, with a Fold, is at the
// beginning of the log.
type Prefix struct {
	Fold  Fold   `state:"const"`
	State []byte // at most protocol.StateBytesMax
}

// Begin has the state that a snapshot brings.
func (p *Prefix) Begin(s *protocol.Snapshot) { p.State = bytes.Clone(s.State) }

// Take takes up what a step trims, and puts the state into each snapshot that leaves
// with the step. The snapshots of effects are replaced by copies: the reducer's own
// stay without.
func (p *Prefix) Take(effects *protocol.Effects) {
	if p == nil {
		return
	}
	if effects.Reset != nil {
		p.Begin(effects.Reset)
	}
	for i := range effects.Trim {
		p.State = p.Fold(p.State, &effects.Trim[i])
		if len(p.State) > protocol.StateBytesMax {
			panic(fmt.Sprintf("driver: the application's state has %d bytes, allowed are %d", len(p.State), protocol.StateBytesMax))
		}
	}
	effects.Base = p.complete(effects.Base)
	for i := range effects.Send {
		m := effects.Send[i].Message
		m.Snapshot = p.complete(m.Snapshot)
	}
}

// complete returns a snapshot with the state.
func (p *Prefix) complete(s *protocol.Snapshot) *protocol.Snapshot {
	if s == nil {
		return nil
	}
	return &protocol.Snapshot{Time: s.Time, Have: s.Have, State: bytes.Clone(p.State)}
}
