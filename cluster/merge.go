package cluster

import (
	"container/heap"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"chatterbox/trace"
)

// A cluster's trace is that of its members and its own, merged by time: each
// process writes a file, and all clocks are that of this machine.

// tell notes what is done to the members and when phases begin.
func (c *crew) tell(event trace.Event) {
	if c.config.Trace == "" {
		return
	}
	event.At = c.since()
	c.told.Tell(&event)
}

// tracePath gives the prefix of the files that the next process of a member
// writes: one for each life, for a killed one cannot be continued.
func (c *crew) tracePath(name string, life int) string {
	return filepath.Join(c.config.Folder, fmt.Sprintf("%s-%d", name, life))
}

// TraceSuffix ends the names of the files with traces of processes.
const TraceSuffix = ".trace"

// writeTrace merges the traces of all processes into one file.
func (c *crew) writeTrace() (err error) {
	c.tell(trace.Event{Kind: trace.Phase, Note: "end"})
	paths, err := filepath.Glob(filepath.Join(c.config.Folder, "*"+TraceSuffix))
	if err != nil {
		return err
	}
	slices.Sort(paths)
	out, err := os.Create(c.config.Trace)
	if err != nil {
		return fmt.Errorf("cluster: write trace: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	writer := trace.NewWriter(out, c.config.Header)
	if err := merge(writer, paths, c.told.Events); err != nil {
		return fmt.Errorf("cluster: merge traces: %w", err)
	}
	return writer.Close()
}

// merge tells the sink the events of all files and of told, in order of time.
func merge(sink trace.Sink, paths []string, told []trace.Event) error {
	queue := &sources{{events: told}}
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close() //nolint:errcheck // nothing was written
		reader, err := trace.NewReader(file)
		if err != nil {
			return err
		}
		*queue = append(*queue, &source{reader: reader})
	}
	for i := len(*queue) - 1; i >= 0; i-- {
		if (*queue)[i].place = i; !(*queue)[i].next() {
			*queue = slices.Delete(*queue, i, i+1)
		}
	}
	for heap.Init(queue); queue.Len() > 0; {
		first := (*queue)[0]
		sink.Tell(&first.event)
		if first.next() {
			heap.Fix(queue, 0)
		} else {
			heap.Pop(queue)
		}
	}
	return nil
}

// source is a sequence of events in order of time: of a file, or of memory.
type source struct {
	reader *trace.Reader
	events []trace.Event
	event  trace.Event
	place  int // among the sources: who comes first at the same time
}

// next moves to the next event; false at the end. A process that was killed
// may have left half a line, which is its end.
func (s *source) next() bool {
	if s.reader != nil {
		return s.reader.Next(&s.event) == nil
	}
	if len(s.events) == 0 {
		return false
	}
	s.event, s.events = s.events[0], s.events[1:]
	return true
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
