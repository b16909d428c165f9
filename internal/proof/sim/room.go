package sim

import (
	"errors"
	"math/rand/v2"
	"time"

	"chatterbox/internal/core/protocol"
)

// scarce is a disk that is full now and then.
type scarce struct {
	rng     *rand.Rand
	full    bool
	stalled bool // the member waits for room
	waits   int  // how often it did
}

const (
	// roomForMost and fullForMost are how long a disk has room, and is full.
	roomForMost = 2 * time.Second
	fullForMost = 500 * time.Millisecond
	// roomBytesMost is how much still fits.
	roomBytesMost = 500
)

// nextRoom schedules the next change of room, as long as members broadcast.
func (n *node) nextRoom() {
	w := n.world
	if !w.shape.Scarce || n.disk == nil || w.closed {
		return
	}
	length := roomForMost
	if n.scarce.full {
		length = fullForMost
	}
	at := min(w.now+time.Duration(n.scarce.rng.Int64N(int64(length))), max(w.config.SendFor, w.now))
	w.queue.push(event{at: at, kind: evRoom, to: uint16(n.id), life: n.life})
}

// changeRoom fills the disk, or makes room. A disk in an operation of which the
// life ends is left alone.
func (n *node) changeRoom() {
	if n.fall.within == 0 {
		n.scarce.full = !n.scarce.full && n.world.now < n.world.config.SendFor
		n.disk.BytesMax = 0
		if n.scarce.full {
			n.disk.BytesMax = n.disk.Size() + 1 + n.scarce.rng.IntN(roomBytesMost)
		}
	}
	if n.world.now < n.world.config.SendFor {
		n.nextRoom()
	}
}

// stalls reports whether an error only means that the member waits for room.
func (n *node) stalls(err error) bool {
	if !errors.Is(err, protocol.ErrNoRoom) || n.fall.within < 0 {
		return false
	}
	n.scarce.stalled = true
	n.scarce.waits++
	n.pace = n.world.shape.Tick
	n.nextTick(n.pace)
	return true
}

// resumes lets a member that waits for room try again, and reports whether it
// goes on.
func (n *node) resumes() bool {
	if !n.scarce.stalled {
		return true
	}
	n.scarce.stalled = false
	if err := n.driver.Resume(); err != nil {
		n.fell(err)
	}
	return n.running && !n.scarce.stalled
}
