package lockstep

import (
	"chatterbox/clock"
	"chatterbox/protocol"
	"chatterbox/protocol/mutant"
)

// recover continues where the journal ends. The newest batch of each stream
// goes back into its buffer: whether everyone has it is asked again.
func (l *Lockstep) recover(r *protocol.Recovered) {
	l.binding.Merge(r.Binding)
	l.state = r.Base.State
	for id := range min(len(r.Base.Have), len(l.streams)) {
		l.streams[id].restore(r.Base.Have[id], r.Base.Time)
	}
	l.clock.Merge(r.Base.Time)
	for i := range r.Batches {
		l.recoverBatch(r.Batches[i])
	}
	if l.breaks(mutant.ClockResetOnRestart) {
		return
	}
	l.bound = r.Bound
	l.clock.Merge(r.Bound)
	if r.Bound >= clock.Infinity && l.binding[l.config.Self] == l.config.Identity {
		l.commit(l.own())
		l.own().promise = clock.Infinity
	}
}

func (l *Lockstep) recoverBatch(b protocol.Batch) {
	if int(b.Origin) >= len(l.streams) || b.Seq != l.streams[b.Origin].have+1 ||
		!l.binding.Bind(b.Origin, b.Identity) {
		l.leftover = append(l.leftover, b)
		return
	}
	l.hold(b)
	if b.Origin == l.config.Self {
		l.unstable.add(b.Time, b.Size())
	}
}
