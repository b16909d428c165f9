package sim

import (
	"time"

	"chatterbox/journal"
	"chatterbox/protocol"
	"chatterbox/protocol/delta"
	"chatterbox/protocol/lockstep"
	"chatterbox/workload"
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
		return lockstep.NewMutant(lockstep.Config{
			Self: n.id, Members: len(w.nodes), Identity: life.Identity, Life: life.Count, Recovered: life.Recovered,
			Tick: s.Tick, Batch: s.BatchMax, Durable: s.Journal, Fold: workload.Fold, Datagram: !s.Streams,
			FirstContactWait: firstContactWait, KeepAlive: keepAlive(len(w.nodes)),
			MemoryBytesMax: s.MemoryBytesMax, MessageBytesMax: s.MessageBytesMax,
		}, w.config.Mutant)
	}
	return delta.NewMutant(delta.Config{
		Self: n.id, Members: len(w.nodes), Identity: life.Identity, Life: life.Count, Recovered: life.Recovered,
		Tick: s.Tick, Durable: s.Journal, Fold: workload.Fold, Datagram: !s.Streams,
		FirstContactWait: firstContactWait, KeepAlive: keepAlive(len(w.nodes)),
		MemoryBytesMax: s.MemoryBytesMax, MessageBytesMax: s.MessageBytesMax, WindowBytesMax: s.WindowBytesMax,
		TrimNoticeBytes: s.TrimNoticeBytes,
	}, w.config.Mutant)
}
