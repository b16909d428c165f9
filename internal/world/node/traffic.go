package node

import (
	"chatterbox/internal/core/member"
	"chatterbox/internal/world/transport"
	"chatterbox/internal/world/wire"
)

// Traffic returns what went to and came from each peer since the start, in the
// order of the list. It may be called by any goroutine.
func (n *Node) Traffic() []transport.PeerStats { return n.transport.Stats() }

// Refused returns how many accepted connections came to nothing since the start.
func (n *Node) Refused() uint64 { return n.transport.Refused() }

// Ask asks a peer for a part of a snapshot of its application's state; the
// answer comes to Config.OnPart, or never.
func (n *Node) Ask(to member.ID, ask wire.Ask) { n.transport.Ask(to, ask) }
