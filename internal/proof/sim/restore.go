package sim

import (
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/check"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/world/journal"
)

// pushBackups schedules the copies of data that members find after a crash.
func (w *world) pushBackups() {
	for i, e := range w.schedule.Members() {
		if e.Action == failure.CrashRestoring {
			w.queue.push(event{at: max(e.At-e.Age, 0), kind: evBackup, to: uint16(e.Member), aux: uint32(i)})
		}
	}
}

// keepCopy keeps a copy of the member's data as it is now, for one of the crashes
// that are to come.
func (n *node) keepCopy(crash uint32) {
	if n.disk == nil {
		return
	}
	if n.copies == nil {
		n.copies = map[uint32]*journal.Memory{}
	}
	n.copies[crash] = n.disk.Clone()
}

// crashRestoring ends the life at once; the next one finds an older copy of the
// data, or none if there was none yet.
func (n *node) crashRestoring(crash uint32) {
	if !n.running {
		return
	}
	older := n.copies[crash]
	if older == nil || older.Size() == 0 {
		n.end(dataLost)
		return
	}
	note := check.DataOlder
	if n.hasAll(older) {
		note = check.DataKept
	}
	n.stop()
	n.disk = older
	n.world.Tell(&trace.Event{At: n.world.now, Kind: trace.Crash, Member: n.id, Note: note})
}

// hasAll reports whether a copy of the data, of this same life, has all that the
// member told.
func (n *node) hasAll(older *journal.Memory) bool {
	j, life, err := n.open(older.Clone(), n.identity)
	if err != nil || life.Recovered == nil || life.Count <= n.count {
		return false
	}
	defer func() { _ = j.Close() }() // it is a copy of a copy
	have := make([]uint64, len(n.world.nodes))
	copy(have, life.Recovered.Base.Have)
	for b := range life.Recovered.All() {
		have[b.Origin] = max(have[b.Origin], b.Last())
	}
	return !n.world.judge.IsOlder(n.id, life.Identity, have, life.Recovered.Bound)
}

// retire ends a life that found out that its data is old.
func (n *node) retire() {
	n.stop()
	n.disk.Kill()
	n.world.Tell(&trace.Event{At: n.world.now, Kind: trace.Crash, Member: n.id, Note: check.DataOld})
}

// judgeFindings: where no older data was brought back nobody is said to have any,
// nor to give one number twice, and nobody to go by another history who goes by the same.
func (w *world) judgeFindings(id member.ID, findings protocol.Findings) {
	for _, e := range w.schedule.Members() {
		if e.Action == failure.CrashRestoring {
			return
		}
	}
	for _, f := range findings {
		switch f.Kind {
		case protocol.OtherHistory, protocol.OldData, protocol.TwoContents:
			if f.Kind == protocol.OtherHistory && (w.apart(id, f.Member) || w.shape.Zombies > 0) {
				continue // the word of a life that all have forgotten may come so late that nothing is said after it
			}
			w.broken("old-data-stops", id, "says without reason: %s", f.Text(func(of member.ID) string { return w.names[of].Name }))
		}
	}
}
