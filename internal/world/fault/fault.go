// Package fault says how a link between members fails: what is imposed on a
// real one for a rehearsal, and what happens to an imagined one. Package
// failure has the maps that say when.
package fault

import (
	"math/rand/v2"
	"time"
)

// HoldMax is how much longer than others a reordered message takes at most.
// It is two ticks, so that messages of later ticks overtake.
const HoldMax = 20 * time.Millisecond

// Link is how one direction between two members fails. The zero value is a
// link that does not.
type Link struct {
	Cut            bool
	Drop           float64       // probability that a message is lost
	Repeat         float64       // probability that it arrives twice
	Reorder        float64       // probability that later ones overtake it
	DelayMin       time.Duration // it takes a time from DelayMin
	DelayMax       time.Duration // to DelayMax more than without the failure
	BytesPerSecond int64         // 0: no limit
}

// Fate is what becomes of one message: it arrives Copies times, each copy
// after its own further delay.
type Fate struct {
	Copies int // 0, 1 or 2
	Delays [2]time.Duration
}

// Fate draws what becomes of a message that enters the link. It does not know
// BytesPerSecond, which depends on what else waits.
func (l Link) Fate(rng *rand.Rand) Fate {
	if l.Cut || chance(rng, l.Drop) {
		return Fate{}
	}
	fate := Fate{Copies: 1}
	if chance(rng, l.Repeat) {
		fate.Copies = 2
	}
	for i := range fate.Copies {
		fate.Delays[i] = l.DelayMin + between(rng, l.DelayMax-l.DelayMin)
		if chance(rng, l.Reorder) {
			fate.Delays[i] += between(rng, HoldMax)
		}
	}
	return fate
}

// chance is true with a probability, and leaves rng alone where it can.
func chance(rng *rand.Rand, probability float64) bool {
	return probability > 0 && rng.Float64() < probability
}

// between draws a time from 0 to limit, both included.
func between(rng *rand.Rand, limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	return time.Duration(rng.Int64N(int64(limit) + 1))
}
