package sim

import (
	"slices"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
)

// Shrink makes a failing run smaller as long as a check still fails: fewer
// lines of the map, fewer members, less load, shorter phases, plainer shape. It
// takes at most so many runs. A Config whose run does not break that promise
// comes back as it is. Tell, which may be nil, is told after each run how many
// were made and the smallest one so far.
func (r *Runner) Shrink(c Config, check string, runs int, tell func(done int, smallest *Config)) (Config, error) {
	c.Sink = nil // was told this run already
	result, err := r.Run(c)
	if err != nil || !result.violates(check) {
		return c, err
	}
	s := shrinker{runner: r, check: check, left: runs, best: result.Config(), tell: func() {}}
	if tell != nil {
		s.tell = func() { tell(runs-s.left, &s.best) }
	}
	for before := -1; s.left > 0 && before != s.kept; {
		before = s.kept
		s.lines()
		s.members()
		s.load()
		s.phases()
		s.plain()
	}
	return s.best, nil
}

// shrinker tries smaller runs one after the other.
type shrinker struct {
	runner *Runner
	check  string
	best   Config
	left   int // runs
	kept   int // changes that were kept
	tell   func()
}

// try runs a candidate and keeps it if the same check fails.
func (s *shrinker) try(c Config) bool {
	if s.left <= 0 {
		return false
	}
	s.left--
	defer s.tell()
	result, err := s.runner.Run(c)
	if err != nil || !result.violates(s.check) {
		return false
	}
	s.best = c
	s.kept++
	return true
}

func (r *Result) violates(check string) bool {
	for i := range r.Violations {
		if r.Violations[i].Check == check {
			return true
		}
	}
	return false
}

// lines takes lines out of the map, first many at a time, then fewer (delta
// debugging, Zeller and Hildebrandt, 2002).
func (s *shrinker) lines() {
	for size := max(len(s.best.Map)/2, 1); size >= 1; size /= 2 {
		for from := 0; from < len(s.best.Map); {
			c := s.best
			c.Map = slices.Delete(slices.Clone(c.Map), from, min(from+size, len(c.Map)))
			if !s.try(c) {
				from += size
			}
		}
	}
}

// members takes out one member after the other.
func (s *shrinker) members() {
	for place := s.best.Members - 1; place >= 0 && s.best.Members > 1; place-- {
		s.try(without(s.best, place))
	}
}

// without returns the run without one member; those after it move up a place.
func without(c Config, place int) Config {
	shape := *c.Shape
	n := c.Members
	shape.Rates = slices.Delete(slices.Clone(shape.Rates), place, place+1)
	if shape.Spared != nil {
		shape.Spared = nil
		for i, spared := range c.Shape.Spared {
			if i/n != place && i%n != place {
				shape.Spared = append(shape.Spared, spared)
			}
		}
	}
	var kept failure.Map
	for _, line := range c.Map {
		from, fromAny := moveUp(line.From, place)
		to, toAny := moveUp(line.To, place)
		if fromAny && (toAny || line.Arrow == failure.NoLink) {
			line.From, line.To = from, to
			kept = append(kept, line)
		}
	}
	c.Members, c.Shape, c.Map = n-1, &shape, kept
	if c.Map == nil {
		c.Map = failure.Map{}
	}
	return c
}

// moveUp returns a group without the member at a place, and whether anybody is
// left.
func moveUp(g failure.Group, place int) (failure.Group, bool) {
	moved := failure.Group{All: g.All}
	for _, name := range g.Names {
		found, _ := names(membersMaxSim).Named(name)
		switch id := int(found); {
		case id < place:
			moved.Names = append(moved.Names, name)
		case id > place:
			moved.Names = append(moved.Names, member.Letter(member.ID(id-1)))
		}
	}
	return moved, moved.All || len(moved.Names) > 0
}

// load lets members be idle, or broadcast less.
func (s *shrinker) load() {
	for place := range s.best.Shape.Rates {
		for _, rate := range []float64{0, rateLeast, s.best.Shape.Rates[place] / 2} {
			if rate < s.best.Shape.Rates[place] && (rate == 0 || rate >= rateLeast) {
				shape := *s.best.Shape
				shape.Rates = slices.Clone(shape.Rates)
				shape.Rates[place] = rate
				if s.tryShape(shape) {
					break
				}
			}
		}
	}
}

// rateLeast is the lowest rate worth trying, in entries a second.
const rateLeast = 2

func (s *shrinker) tryShape(shape Shape) bool {
	c := s.best
	c.Shape = &shape
	return s.try(c)
}

// phases makes the run shorter. Times of the map stay as they are, so this
// helps once the lines that count are early.
func (s *shrinker) phases() {
	for _, field := range []func(*Config) *time.Duration{
		func(c *Config) *time.Duration { return &c.SendFor },
		func(c *Config) *time.Duration { return &c.GraceFor },
	} {
		for _, share := range []int64{4, 2} {
			c := s.best
			*field(&c) = (*field(&c) / time.Duration(share)).Round(phaseStep)
			if *field(&c) >= phaseStep {
				s.try(c)
			}
		}
	}
}

// phaseStep keeps the lengths of phases readable.
const phaseStep = 100 * time.Millisecond

// plain makes one thing of the shape ordinary after the other.
func (s *shrinker) plain() {
	changes := []func(*Shape){
		func(p *Shape) { p.Zombies = 0 },
		func(p *Shape) { p.Torn = false },
		func(p *Shape) { p.Wake = 0 },
		func(p *Shape) { p.BatchMax = 1 },
		func(p *Shape) { p.Streams = false },
		func(p *Shape) { p.Journal = false },
		func(p *Shape) { p.Spared = nil },
		func(p *Shape) { p.DelayMax = p.DelayMin },
		func(p *Shape) { p.DelayMin, p.DelayMax = time.Millisecond, time.Millisecond },
		func(p *Shape) { p.Tick = 10 * time.Millisecond },
		func(p *Shape) { p.SegmentBytesMax, p.TrimNoticeBytes = 1<<20, 8<<20 },
		func(p *Shape) { p.MemoryBytesMax, p.MessageBytesMax, p.WindowBytesMax = 1<<20, 64<<10, 1<<20 },
	}
	for _, change := range changes {
		shape := *s.best.Shape
		change(&shape)
		if !sameShape(&shape, s.best.Shape) {
			s.tryShape(shape)
		}
	}
}

func sameShape(a, b *Shape) bool {
	return Case(Config{Shape: a}, "") == Case(Config{Shape: b}, "")
}
