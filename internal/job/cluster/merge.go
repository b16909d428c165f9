package cluster

import (
	"container/heap"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/check"
	"chatterbox/internal/proof/trace"
)

// A cluster's trace is that of its members and its own, merged by time: each
// process writes a file, and all clocks are that of this machine.

// tell notes what is done to the members and when phases begin.
func (c *crew) tell(event trace.Event) {
	event.At = c.since()
	if c.config.Trace != nil {
		c.told.Tell(&event)
	}
	if c.merger != nil {
		c.merger.Tell(&event)
	}
}

// tracePath returns the prefix of the files that the next process of a member
// writes: one for each life, for a killed one cannot be continued.
func (c *crew) tracePath(name string, life int) string {
	return filepath.Join(c.config.Folder, fmt.Sprintf("%s-%d", name, life))
}

// noteEnd notes that the present life of a member is over, and if it did not
// end in good order, that it may have had no time to end its trace.
func (c *crew) noteEnd(id member.ID) {
	seat := &c.seats[id]
	if seat.exit == exitOK || seat.exit == exitPartial {
		return
	}
	seat.killed = append(seat.killed, seat.lives-1)
	if seat.broken != brokenByCrash {
		c.tellCrash(id, check.DataKept) // by itself, or by somebody else
	}
}

const (
	// TraceSuffix ends the names of the files with traces of processes. Each
	// process writes one of what happens, and one of its result.
	TraceSuffix = ".trace"
	// ResultSuffix ends the names of the latter.
	ResultSuffix = "-result" + TraceSuffix
	// LostSuffix is put behind the name of a file that is not whole, since
	// something could not be written to it.
	LostSuffix = ".lost"
)

// part is the trace of one process, or of its result.
type part struct {
	name string // of the member
	path string
	// mayBreakOff says that the process was killed: what it wrote is all that
	// happened to it, although there is no end.
	mayBreakOff bool
}

// parts lists the traces of all processes.
func (c *crew) parts() []part {
	var parts []part
	for id := range c.seats {
		for life := range c.seats[id].lives {
			path := c.tracePath(c.peers[id].Name, life)
			killed := slices.Contains(c.seats[id].killed, life)
			parts = append(parts, part{c.peers[id].Name, path + TraceSuffix, killed}, part{c.peers[id].Name, path + ResultSuffix, killed})
		}
	}
	return parts
}

// writeTrace merges the traces of all processes into one. The text says what
// is missing in it, and is empty if nothing is. What cannot be written, its
// writer remembers.
func (c *crew) writeTrace() (lost string) {
	c.tell(trace.Event{Kind: trace.Phase, Note: "end"})
	writer := trace.NewWriter(c.config.Trace, c.config.Header)
	lost = merge(writer, c.parts(), c.told.Events, c.faults())
	if lost == "" {
		_ = writer.Close()
	} else {
		_ = writer.Flush() // without an end
	}
	return lost
}

// faults returns when the lines of the failure map took effect, which the members'
// transports impose on their own.
func (c *crew) faults() []trace.Event {
	if c.config.Schedule == nil {
		return nil
	}
	var events []trace.Event
	end := c.since()
	for _, line := range c.config.Schedule.Lines() {
		if line.At <= end {
			events = append(events, trace.Event{At: line.At, Kind: trace.Fault, Note: line.Text})
		}
	}
	return events
}

// merge tells the sink the events of all parts and of told, in order of time.
// Where a part breaks off that should not, it stops: what the others did from
// then on cannot be judged without it. The text says where and why.
func merge(sink trace.Sink, parts []part, told ...[]trace.Event) (lost string) {
	queue := &sources{}
	var all []*source
	for _, events := range told {
		all = append(all, &source{events: events})
	}
	for _, from := range append(all, open(parts)...) {
		defer from.close()
		from.place = queue.Len()
		if more := from.next(); from.lost != nil {
			return from.loss(0)
		} else if more {
			*queue = append(*queue, from)
		}
	}
	for heap.Init(queue); queue.Len() > 0; {
		first := (*queue)[0]
		at := first.event.At
		sink.Tell(&first.event)
		switch more := first.next(); {
		case first.lost != nil:
			return first.loss(at)
		case more:
			heap.Fix(queue, 0)
		default:
			heap.Pop(queue)
		}
	}
	return ""
}

func open(parts []part) []*source {
	opened := make([]*source, len(parts))
	for i, part := range parts {
		opened[i] = &source{part: part}
		opened[i].open()
	}
	return opened
}

// source is a sequence of events in order of time: of a file, or of memory.
type source struct {
	part   part
	file   *os.File
	reader *trace.Reader
	events []trace.Event
	event  trace.Event
	place  int   // among the sources: who comes first at the same time
	lost   error // why it breaks off although it should not
}

// open opens the file of a part. One that was not whole when it was written
// has another name; what a killed process had no time to begin is no loss.
func (s *source) open() {
	file, err := os.Open(s.part.path)
	if errors.Is(err, fs.ErrNotExist) {
		if file, err = os.Open(s.part.path + LostSuffix); err == nil {
			s.part.mayBreakOff = false
		} else if s.part.mayBreakOff {
			return
		}
	}
	if err != nil {
		s.lost = err
		return
	}
	s.file = file
	if s.reader, err = trace.NewReader(file); err != nil && !s.part.mayBreakOff {
		s.lost = err
	}
}

func (s *source) close() {
	if s.file != nil {
		_ = s.file.Close() // nothing was written
	}
}

// next moves to the next event; false at the end.
func (s *source) next() bool {
	switch {
	case s.lost != nil:
		return false
	case s.reader != nil:
		err := s.reader.Next(&s.event)
		if whole := errors.Is(err, io.EOF) || errors.Is(err, trace.ErrIncomplete) && s.part.mayBreakOff; err != nil && !whole {
			s.lost = err
		}
		return err == nil
	case len(s.events) == 0:
		return false
	}
	s.event, s.events = s.events[0], s.events[1:]
	return true
}

// loss returns in words that the source breaks off behind a time.
func (s *source) loss(at time.Duration) string {
	return fmt.Sprintf("the part of %s is lost from %.3fs on (%v): the trace ends there", s.part.name, at.Seconds(), s.lost)
}

// sources is a heap of sources by the time of their next event.
type sources []*source

func (s sources) Len() int { return len(s) }

func (s sources) Less(i, j int) bool {
	if s[i].event.At != s[j].event.At {
		return s[i].event.At < s[j].event.At
	}
	return s[i].place < s[j].place
}

func (s sources) Swap(i, j int) { s[i], s[j] = s[j], s[i] }

func (s *sources) Push(x any) { *s = append(*s, x.(*source)) }

func (s *sources) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}
