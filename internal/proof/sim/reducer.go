package sim

import (
	"time"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/delta"
	"chatterbox/internal/core/protocol/lockstep"
	"chatterbox/internal/proof/mutant"
	"chatterbox/internal/world/journal"
)

// keepAlive is how often silent members make themselves heard.
func keepAlive(members int) time.Duration {
	return max(100*time.Millisecond, time.Duration(members)*5*time.Millisecond)
}

// firstContactWait is shorter than on real clusters, for phases are short.
const firstContactWait = 200 * time.Millisecond

// newReducer makes the reducer of one life of a member.
func (w *world) newReducer(n *node, life journal.Life) protocol.Reducer {
	s := &w.shape
	if w.config.Protocol == Lockstep {
		return mutant.NewLockstep(w.config.Mutant, lockstep.Config{
			Self: n.id, Members: len(w.nodes), Identity: life.Identity, Life: life.Count, Recovered: life.Recovered,
			Tick: s.Tick, Batch: s.BatchMax, Durable: s.Journal, Datagram: !s.Streams,
			FirstContactWait: firstContactWait, KeepAlive: keepAlive(len(w.nodes)),
			MemoryBytesMax: s.MemoryBytesMax, MessageBytesMax: s.MessageBytesMax,
		})
	}
	return mutant.NewDelta(w.config.Mutant, delta.Config{
		Self: n.id, Members: len(w.list), Identity: life.Identity, Life: life.Count, Recovered: life.Recovered,
		Tick: s.Tick, Durable: s.Journal, Holders: s.Holders, Changes: s.Changes, EvictAfter: s.EvictAfter, Observe: n.observes(), List: w.list, KeepPrepared: true, Datagram: !s.Streams,
		FirstContactWait: firstContactWait, KeepAlive: keepAlive(len(w.nodes)),
		MemoryBytesMax: s.parkBytes(), MessageBytesMax: s.MessageBytesMax, WindowBytesMax: s.WindowBytesMax,
		TrimNoticeBytes: s.diskPart(s.TrimNoticeBytes),
	})
}
