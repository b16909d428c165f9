package sim

import (
	"errors"
	"time"

	"chatterbox/internal/proof/check"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/world/journal"
)

// ending is how a life ends.
type ending uint8

const (
	powerLost ending = iota // what was not synced is lost, but perhaps for a part
	killed                  // what was written stays readable, until power is lost
	dataLost                // everything is lost
	stopped                 // as planned; then as killed
)

// endings returns how a life ends by an action of the map.
func endings(action failure.Action) ending {
	switch action {
	case failure.Kill:
		return killed
	case failure.CrashLosingData:
		return dataLost
	}
	return powerLost
}

// end ends the life at once. Without a journal everything is lost. The power of
// a machine may fail whose process was killed before.
func (n *node) end(how ending) {
	w := n.world
	if n.disk != nil {
		n.disk.Fail, n.disk.BytesMax = nil, 0
	}
	if !n.running && how != dataLost {
		n.losePower(how)
		return
	}
	if n.running {
		n.stop()
	}
	note := check.DataKept
	switch {
	case how == dataLost || n.disk == nil:
		note = check.DataLost
	case how == killed:
		note = "killed, keeping its data"
	case how == stopped:
		note = "stopped as planned, keeping its data"
	}
	n.losePower(how)
	w.Tell(&trace.Event{At: w.now, Kind: trace.Crash, Member: n.id, Note: note})
}

// losePower lets the disk forget.
func (n *node) losePower(how ending) {
	switch {
	case n.disk == nil:
	case how == dataLost:
		n.disk = new(journal.Memory)
	case how == killed, how == stopped:
		n.disk.Kill()
	case n.world.shape.Torn:
		n.disk.Crash(func(unsynced int) (from, to int) {
			to = n.rng.IntN(unsynced + 1)
			if n.rng.IntN(4) == 0 {
				return to, unsynced // a hole, and then what was written last
			}
			return 0, to
		})
	default:
		n.disk.Crash(nil)
	}
}

// fall is the end of a life in an operation of its disk.
type fall struct {
	within int    // operations until it comes; 0: none does
	in     string // the only operation that it comes in; "": any
	ending ending
}

// fallSoon lets the life end in one of the next operations of its disk, or now
// if it has none.
func (n *node) fallSoon(how ending) {
	if n.disk == nil || n.fall.within > 0 || n.rng.IntN(2) == 0 {
		n.end(how)
		return
	}
	n.fall = fall{within: 1 + n.rng.IntN(4), ending: how}
	failing := journal.ErrEnded
	if how == killed && n.rng.IntN(4) > 0 { // what matters is what was written and not synced
		n.fall.within, n.fall.in = 1, "sync"
		failing = pick(n.rng, errDisk, journal.ErrEnded)
	}
	n.disk.Fail = func(operation, _ string) error { return n.fallIn(operation, failing) }
	n.world.queue.push(event{at: n.world.now + fallBy, kind: evFallBy, to: uint16(n.id), life: n.life})
}

// errDisk is what a disk says that fails: what it was to sync is dropped, though
// it stays readable.
var errDisk = errors.New("input/output error")

// partBytesMax is how much of a write may still be done in which a life ends.
const partBytesMax = 64

// fallIn is asked before each operation of the disk. A write may be done in
// part.
func (n *node) fallIn(operation string, failing error) error {
	switch {
	case n.fall.within > 0 && n.fall.in != "" && n.fall.in != operation:
		return nil
	case n.fall.within > 1:
		n.fall.within--
		return nil
	}
	if operation == "write" && n.fall.within == 1 && n.world.shape.Torn {
		n.fall.within = -1
		n.disk.BytesMax = n.disk.Size() + 1 + n.rng.IntN(partBytesMax)
		return nil
	}
	n.fall.within = -1
	return failing
}

// fallBy is how long a member waits for an operation of its disk to end in.
const fallBy = 50 * time.Millisecond
