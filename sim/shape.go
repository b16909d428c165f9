package sim

import (
	"math"
	"math/rand/v2"
	"time"
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

	Journal         bool // members keep a journal
	SegmentBytesMax int  // of the journal
	TrimNoticeBytes int  // trimmed before the journal is told
	Torn            bool // a crash may leave a part of what was not synced

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
	if s.Ending == Core {
		s.drawSpared(rng, members)
	}
	return s
}

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
