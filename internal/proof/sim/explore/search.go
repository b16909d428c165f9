package explore

import (
	"fmt"
	"slices"
)

const (
	sliceStates = 1 << 14 // situations whose transitions are tried together
	taskStates  = 1 << 8  // situations of one task
)

// search is a breadth-first search. A slice of the present front goes through
// four stages; in each, tasks are independent of one another, and what comes
// out is in an order that does not depend on them.
type search struct {
	config *Config
	world  *world
	result Result

	met   [shards]met
	steps []stepBack // of every situation, by its number
	front []situated // the situations of the present depth
	next  []situated // those of the next one
	tasks []task
}

// situated is a situation with its number.
type situated struct {
	situation
	number uint32
}

// stepBack tells how a situation was reached first.
type stepBack struct {
	from       uint32
	transition transition
}

// task is a part of a slice, with what comes of it.
type task struct {
	from        []situated
	found       []candidate
	shards      [shards][]uint32 // of found, by hash
	transitions int
	full        int
	settled     int
	fault       *Fault
	faultAt     uint32 // number of the situation before
	faultBy     transition
	hasFault    bool
}

// candidate is a situation that a transition leads to.
type candidate struct {
	situation
	print      uint64
	from       uint32
	transition transition
	fresh      bool
}

// Run searches a small world. The error is about the Config; what is found
// wrong is the result's Fault, and ends the search.
func Run(c Config) (Result, error) {
	if err := c.validate(); err != nil {
		return Result{}, err
	}
	if c.Spread == nil {
		c.Spread = oneByOne
	}
	s := &search{config: &c, world: newWorld(c)}
	s.run()
	s.result.States = len(s.steps)
	s.result.Members, s.result.Messages = s.world.nodes.len(), s.world.mails.len()
	return s.result, nil
}

func oneByOne(tasks int, do func(int)) {
	for i := range tasks {
		do(i)
	}
}

func (s *search) run() {
	first, fault := s.world.begin()
	if fault != nil {
		s.result.Fault = fault
		return
	}
	s.met[s.world.print(&first)%shards].add(s.world.print(&first))
	s.steps = append(s.steps, stepBack{})
	s.front = append(s.front, situated{situation: first})
	for len(s.front) > 0 && s.result.Fault == nil {
		if s.config.StatesMax > 0 && len(s.steps) >= s.config.StatesMax {
			return
		}
		for from := 0; from < len(s.front) && s.result.Fault == nil; from += sliceStates {
			s.slice(s.front[from:min(from+sliceStates, len(s.front))])
		}
		s.front, s.next = s.next, s.front[:0]
		if len(s.front) > 0 {
			s.result.Depth++
		}
	}
	s.result.Exhausted = s.result.Fault == nil
}

// slice tries all transitions in a part of the front.
func (s *search) slice(front []situated) {
	n := (len(front) + taskStates - 1) / taskStates
	for len(s.tasks) < n {
		s.tasks = append(s.tasks, task{})
	}
	tasks := s.tasks[:n]
	for i := range tasks {
		tasks[i].begin(front[i*taskStates : min((i+1)*taskStates, len(front))])
	}
	s.config.Spread(n, func(i int) { s.expand(&tasks[i]) })
	s.config.Spread(shards, func(shard int) { s.merge(tasks, shard) })
	if s.blame(tasks) {
		return
	}
	s.number(tasks)
	s.config.Spread(n, func(i int) { s.judge(&tasks[i]) })
	s.blame(tasks)
	for i := range tasks {
		s.result.Settled += tasks[i].settled
	}
}

func (t *task) begin(from []situated) {
	t.from, t.found = from, t.found[:0]
	t.transitions, t.full, t.settled, t.hasFault = 0, 0, 0, false
	for i := range t.shards {
		t.shards[i] = t.shards[i][:0]
	}
}

// expand gathers the situations that lead on and were not met in earlier
// slices.
func (s *search) expand(t *task) {
	for i := range t.from {
		at := &t.from[i]
		s.world.each(&at.situation, func(d transition) {
			next, fault, ok := s.world.do(&at.situation, d)
			if !ok {
				t.full++
				return
			}
			t.transitions++
			if fault != nil {
				t.blame(fault, at.number, d)
				return
			}
			finger := s.world.print(&next)
			if !s.met[finger%shards].has(finger) {
				t.shards[finger%shards] = append(t.shards[finger%shards], uint32(len(t.found)))
				t.found = append(t.found, candidate{situation: next, print: finger, from: at.number, transition: d})
			}
		})
	}
}

// blame notes the first fault of a task.
func (t *task) blame(fault *Fault, at uint32, by transition) {
	if !t.hasFault {
		t.hasFault, t.fault, t.faultAt, t.faultBy = true, fault, at, by
	}
}

// merge finds out which candidates of a shard are new.
func (s *search) merge(tasks []task, shard int) {
	for i := range tasks {
		for _, index := range tasks[i].shards[shard] {
			c := &tasks[i].found[index]
			c.fresh = s.met[shard].add(c.print)
		}
	}
}

// number numbers the new situations, in an order that is always the same.
func (s *search) number(tasks []task) {
	for i := range tasks {
		t := &tasks[i]
		s.result.Transitions += t.transitions
		s.result.Full += t.full
		for k := range t.found {
			if c := &t.found[k]; c.fresh {
				s.next = append(s.next, situated{c.situation, uint32(len(s.steps))})
				s.steps = append(s.steps, stepBack{c.from, c.transition})
			}
		}
	}
}

// judge judges the new situations of a task, and lets some settle.
func (s *search) judge(t *task) {
	nodes := make([]*node, s.config.Members)
	for k := range t.found {
		c := &t.found[k]
		if !c.fresh {
			continue
		}
		for i := range nodes {
			nodes[i] = s.world.nodes.get(c.nodes[i])
		}
		fault := s.world.judge(nodes)
		if fault == nil && s.config.SettleOneIn > 0 && c.print/shards%s.config.SettleOneIn == 0 {
			t.settled++
			fault = s.world.from(&c.situation).settle(c.spent.losses > 0)
		}
		if fault != nil {
			t.blame(fault, c.from, c.transition)
		}
	}
}

// blame takes the first fault of all tasks for that of the search.
func (s *search) blame(tasks []task) bool {
	for i := range tasks {
		if t := &tasks[i]; t.hasFault {
			fault := *t.fault
			fault.Path = s.world.tell(append(s.path(t.faultAt), t.faultBy))
			s.result.Fault = &fault
			return true
		}
	}
	return false
}

// path returns the transitions that lead to a situation.
func (s *search) path(number uint32) []transition {
	var back []transition
	for number != 0 {
		back = append(back, s.steps[number].transition)
		number = s.steps[number].from
	}
	slices.Reverse(back)
	return back
}

// String returns the figures of a search in a line.
func (r Result) String() string {
	end := "to the end"
	if !r.Exhausted {
		end = "cut short"
	}
	return fmt.Sprintf("%d situations (%s), %d transitions, depth %d, %d settled, %d states of members, %d messages",
		r.States, end, r.Transitions, r.Depth, r.Settled, r.Members, r.Messages)
}
