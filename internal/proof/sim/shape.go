package sim

import (
	"math"
	"math/rand/v2"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// Shape is everything about a run besides protocol, members, phases and
// failure map. [Draw] draws it from a seed.
type Shape struct {
	Ending Ending
	Spared []bool // links, from one member to all others after the other, that never fail; nil is none

	Tick     time.Duration // of the members
	Wake     time.Duration // from an arrival to the turn of the member's loop
	DelayMin time.Duration // a message takes from DelayMin
	DelayMax time.Duration // to DelayMax on its way, each equally likely
	Streams  bool          // links are connections: in order, without loss while they are up

	Journal         bool          // members keep a journal
	SegmentBytesMax int           // of the journal
	TrimNoticeBytes int           // trimmed before the journal is told
	Torn            bool          // a crash may leave a part of what was not synced
	Scarce          bool          // disks are full for a while, now and then, as long as members broadcast
	History         bool          // what has settled is kept, and read again
	ParkBytes       int           // of batches at a member of delta beyond which the oldest ones are only in the journal; 0: MemoryBytesMax
	Holders         int           // members that must hold what settles; 0: what a member holds itself is enough
	Changes         bool          // members come and go: as many members of the view must hold what settles as its size demands
	EvictAfter      time.Duration // so long a member may be away until the others go on without it by themselves; 0: for ever
	DiskBytes       int           // of the journal, beyond which a member accepts nothing; 0: no limit
	RetainBytes     int           // that are kept to be read again with a journal; 0: all, until it is compacted

	Rates    []float64 // entries a second that each member broadcasts; 0 is an idle one
	BatchMax int       // entries of a batch
	Zombies  float64   // share of messages of which a copy comes seconds later

	MemoryBytesMax  int // of batches at a member
	MessageBytesMax int // of batches in a message
	WindowBytesMax  int // in flight to a peer
}

// Ending says what becomes of the failures.
type Ending uint8

// The endings.
const (
	Healed  Ending = iota // all failures end when the grace phase begins, and everything must settle
	Core                  // a strongly connected core of links is spared; the rest may stay broken for ever
	Unended               // failures end as the map says, or never
	Healthy               // nothing fails
)

// The parts of a run that draw from streams of numbers of their own, so that
// one part can be changed without changing what the others draw.
const (
	drawShape uint64 = iota + 1
	drawMap
	drawIdentity
	drawLink
	drawLoad
	drawMember
	drawKills
	drawOld
	drawHistory
	drawHarsh
	drawScarce
	drawPark
	drawHolders
	drawChanges
	drawEvictAfter
	drawDeaths
	drawJoins
	drawObservers
	drawForces
	drawLeaves
	drawParts
)

func stream(seed, part uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, part)) }

func pick[T any](rng *rand.Rand, among ...T) T { return among[rng.IntN(len(among))] }

// Draw draws the shape of a run.
func Draw(seed uint64, members int) Shape {
	rng := stream(seed, drawShape)
	s := Shape{
		Ending:  pick(rng, Healed, Healed, Healed, Healed, Core, Core, Unended, Healthy),
		Tick:    pick[time.Duration](rng, 10, 20, 50) * time.Millisecond,
		Wake:    pick[time.Duration](rng, 0, 100, 500, 1000) * time.Microsecond,
		Streams: rng.IntN(3) == 0,
		Journal: rng.IntN(2) == 0, SegmentBytesMax: pick(rng, 1<<10, 16<<10, 1<<20),
		TrimNoticeBytes: pick(rng, 512, 16<<10, 8<<20),
		Torn:            rng.IntN(2) == 0,
		BatchMax:        pick(rng, 1, 4, 16),
		Zombies:         pick(rng, 0, 0, 0.001, 0.02),
		MemoryBytesMax:  pick(rng, 64<<10, 1<<20, 16<<20), MessageBytesMax: pick(rng, 512, 4<<10, 64<<10), WindowBytesMax: pick(rng, 64<<10, 4<<20),
	}
	s.DelayMin = pick[time.Duration](rng, 0, 100*time.Microsecond, time.Millisecond, 10*time.Millisecond)
	s.DelayMax = s.DelayMin + pick[time.Duration](rng, 0, time.Millisecond, 5*time.Millisecond, 30*time.Millisecond)
	if members > largeFrom {
		s.Tick = s.Tick * time.Duration(members) / largeFrom
		s.Wake = max(s.Wake, time.Duration(members)*wakeOfEach)
	}
	s.drawRates(rng, members)
	if past := stream(seed, drawHistory); members <= historyMembers {
		s.History, s.RetainBytes = past.IntN(2) == 0, pick(past, 0, 4<<10, 64<<10)
	}
	s.harden(stream(seed, drawHarsh), members)
	if scarce := stream(seed, drawPark); scarce.IntN(2) == 0 {
		s.ParkBytes = pick(scarce, 12<<10, 16<<10, 32<<10)
		s.DiskBytes = pick(scarce, 0, 0, 192<<10, 256<<10)
	}
	s.Scarce = s.Journal && stream(seed, drawScarce).IntN(scarceIn) == 0
	s.Holders = pick(stream(seed, drawHolders), 0, member.Holders(members))
	if s.Ending == Core {
		s.drawSpared(rng, members)
	}
	return s
}

// parkBytes returns the memory of a member of delta beyond which batches are
// parked, if there is a journal.
func (s *Shape) parkBytes() int {
	if s.Journal && s.ParkBytes > 0 {
		return s.ParkBytes
	}
	return s.MemoryBytesMax
}

// diskParts is of how many pieces a journal with a limit has room.
const diskParts = 8

// diskPart returns what goes to disk, or from it, as one piece.
func (s *Shape) diskPart(bytes int) int {
	if s.DiskBytes > 0 {
		return min(bytes, s.DiskBytes/diskParts)
	}
	return bytes
}

// diskBytes returns the size that a member's journal may have.
func (w *world) diskBytes() int64 {
	if w.config.Protocol == Delta {
		return int64(w.shape.DiskBytes)
	}
	return 0
}

// fullDrains is the check that a full folder takes entries again once nobody
// lacks anything.
const fullDrains = "full-folder-drains"

// judgeDisk looks, once all hold everything, whether the member could write.
func (n *node) judgeDisk(status *protocol.Status) {
	s := &n.world.shape
	held := s.History && (s.RetainBytes == 0 || s.RetainBytes > s.DiskBytes/4)
	held = held || s.Changes && status.Reader // who was let go keeps what only it has, and takes no entries anyway
	if n.journal == nil || held || !status.Complete || status.LogBytes+status.Parked > 0 {
		return
	}
	if n.journal.IsFull() {
		n.world.broken(fullDrains, n.id, "has %d bytes on disk of %d, though all hold everything", n.journal.Bytes(), s.DiskBytes)
	}
}

// placesMax returns of how many batches a journal knows where they lie: of few
// where much is parked.
func (s *Shape) placesMax() int { return s.ParkBytes >> 10 }

// scarceIn: in one of so many runs with journals disks are full now and then.
const scarceIn = 4

// harshIn: one of so many runs has less of everything than the others, and more
// to do.
const harshIn = 32

// harden draws whether the run is a harsh one: with small segments and little
// memory, many zombies, and members that broadcast all the time.
func (s *Shape) harden(rng *rand.Rand, members int) {
	if rng.IntN(harshIn) > 0 {
		return
	}
	s.Journal = rng.IntN(4) > 0
	s.SegmentBytesMax, s.TrimNoticeBytes = pick(rng, 512, 1<<10), pick(rng, 64, 512, 4<<10)
	s.Zombies = pick(rng, 0, 0.02, 0.05)
	s.MemoryBytesMax, s.WindowBytesMax = pick(rng, 64<<10, 256<<10, 1<<20), 64<<10
	sum := 0.0
	for i := range s.Rates {
		s.Rates[i] = pick[float64](rng, 0, 50, 200, 500, 1000, 2000)
		sum += s.Rates[i] * float64(members-1) / harshMembers
	}
	for i := range s.Rates {
		s.Rates[i] *= min(1, harshRate/max(sum, 1))
	}
}

// In a harsh run members broadcast together at up to such a rate, if they are so
// many: each entry costs messages in proportion to the members.
const (
	harshRate    = 2000
	harshMembers = 3
)

// drawSpared draws a ring through all members, in one direction, and some links
// besides.
func (s *Shape) drawSpared(rng *rand.Rand, members int) {
	s.Spared = make([]bool, members*members)
	order := rng.Perm(members)
	for i, from := range order {
		s.Spared[from*members+order[(i+1)%members]] = true
	}
	for range rng.IntN(members + 1) {
		s.Spared[rng.IntN(len(s.Spared))] = true
	}
}

// In a full mesh each entry costs messages in proportion to the square of the
// members, and each of them time in proportion to the members, so large
// clusters tick and broadcast more slowly.
const (
	largeFrom  = 10 // members
	wakeOfEach = 50 * time.Microsecond
)

// drawRates lets some members be idle and some busy.
func (s *Shape) drawRates(rng *rand.Rand, members int) {
	s.Rates = make([]float64, members)
	scale := min(1, math.Pow(largeFrom/float64(members), 3))
	for i := range s.Rates {
		s.Rates[i] = scale * pick[float64](rng, 0, 2, 20, 20, 100)
	}
}
