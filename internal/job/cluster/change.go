package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/trace"
)

// Change is a line of a failure map that is to happen now. Answer gets nil when
// it has happened, or why it cannot; it must have room.
type Change struct {
	Event  failure.Event
	Answer chan<- error
}

// line is a line of the map at one of the times that it happens.
type line struct {
	at   time.Duration
	text string
}

// linesMax is how many lines of a map are told at most.
const linesMax = 10_000

// linesOf lists when the lines of a map happen within a time.
func linesOf(m failure.Map, within time.Duration) []line {
	var lines []line
	for i := range m {
		for at := m[i].At; at <= within && len(lines) < linesMax; at += m[i].Every {
			lines = append(lines, line{at, m[i].String()})
			if m[i].Every <= 0 || at+m[i].Every >= m[i].Until {
				break
			}
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.at, b.at) })
	return lines
}

// tellLines tells the lines whose time has come.
func (c *crew) tellLines() {
	for len(c.lines) > 0 && c.lines[0].at <= c.since() {
		c.tell(trace.Event{Kind: trace.Fault, Note: c.lines[0].text})
		c.lines = c.lines[1:]
	}
}

// watch lets the merger tell the watcher; the function ends that.
func (c *crew) watch() (end func()) {
	if c.merger == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.merger.Run(ctx)
	}()
	return func() {
		cancel()
		c.killAll() // else there is no end to read to
		<-done
	}
}

// reading returns what reads the events of a process.
func (c *crew) reading() func(io.ReadCloser) {
	if c.merger == nil {
		return nil
	}
	return c.merger.Read
}

// mayStart reports whether somebody who watches can still start a member that
// crashed.
func (c *crew) mayStart() bool {
	return c.config.Changes != nil && c.asked.IsZero() && c.since() < c.config.RunFor && slices.ContainsFunc(c.seats, func(s seat) bool {
		return s.broken == brokenByCrash
	})
}

// change lets a line of a failure map happen now: links change in the
// transports of all members, and members are treated as the map treats them.
func (c *crew) change(event failure.Event) error {
	event.At, event.Every, event.Until = c.since().Round(time.Millisecond), 0, 0
	switch {
	case !c.asked.IsZero():
		return errors.New("the run is ending: nothing can be changed any more")
	case event.Action == failure.Clock:
		return errors.New("a clock changes its speed only when its member starts: write it into the failure map")
	}
	if err := (failure.Map{event}).WithoutChanges(); err != nil {
		return err
	}
	who, _, err := failure.NewPresent(c.peers).Happens(&event)
	if err != nil {
		return err
	}
	c.config.Map = append(c.config.Map, event)
	if err := os.WriteFile(c.config.MapPath, []byte(c.config.Map.String()), 0o600); err != nil {
		return fmt.Errorf("the failure map for those who start later: %w", err)
	}
	c.tell(trace.Event{Kind: trace.Fault, Note: event.String()})
	if event.Arrow != failure.NoLink {
		return c.changeLinks(event.String())
	}
	for id := range c.peers {
		if !who.Has(member.ID(id)) {
			continue
		}
		if err := c.do(failure.MemberEvent{At: event.At, Member: member.ID(id), Action: event.Action}); err != nil {
			return err
		}
	}
	return nil
}

// changeLinks tells all members that run.
func (c *crew) changeLinks(line string) error {
	var failed error
	for i := range c.seats {
		if p := c.seats[i].process; p != nil && p.changes != nil {
			if err := p.change(line); err != nil && !errors.Is(err, os.ErrClosed) {
				failed = errors.Join(failed, fmt.Errorf("%s cannot be told: %w", c.peers[i].Name, err))
			}
		}
	}
	return failed
}
