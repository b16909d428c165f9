package chatterboxtest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/check"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/show/diagram"
	"chatterbox/internal/world/node"
)

// record is what happened, at all members.
type record struct {
	header trace.Header
	now    func() time.Duration

	mu    sync.Mutex // guards all below
	log   trace.Log
	lives []*life // the last one of each member
	ended bool
}

// life is what happens at a member from one start to the next.
type life struct {
	*record
	*trace.Recorder
	volatile bool
	over     bool // it crashed: what its node still does, nobody would see
}

func newRecord(c *Cluster) *record {
	r := &record{
		header: trace.Header{
			Trace: trace.Version, Protocol: string(node.Delta), Seed: c.config.Seed, Journal: true,
			Simulated: c.network != nil, Members: c.Names(),
		},
		now: func() time.Duration { return time.Since(c.began) }, lives: make([]*life, len(c.members)),
	}
	if c.config.Protocol != "" {
		r.header.Protocol = c.config.Protocol
	}
	if r.header.Protocol == string(node.Delta) {
		r.header.Holders = member.Holders(len(c.members))
	}
	return r
}

// begin returns who watches the next life of a member.
func (r *record) begin(id member.ID, volatile bool) node.Watcher {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := &life{record: r, volatile: volatile}
	l.Recorder = trace.NewRecorder(l, id, len(r.lives))
	r.lives[id] = l
	return l
}

// Tell takes note of what happens in the life, by the time of the cluster.
func (l *life) Tell(e *trace.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.add(*e)
	}
}

// add takes note of an event that happens now. The caller has mu.
func (r *record) add(e trace.Event) {
	e.At = r.now()
	if !r.ended {
		r.log.Tell(&e)
	}
}

// note takes note of what is done to a member.
func (c *Cluster) note(kind trace.Kind, i int, text string) {
	r := c.record
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.lives[i]; kind == trace.Crash {
		if l.over = true; l.volatile {
			text = trace.DataLost
		}
	}
	r.add(trace.Event{Kind: kind, Member: member.ID(i), Note: text})
}

// fault takes note of what happens to links.
func (r *record) fault(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(trace.Event{Kind: trace.Fault, Note: line})
}

// events returns what happened so far.
func (r *record) events() []trace.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Events[:len(r.log.Events):len(r.log.Events)]
}

// Trace writes what has happened so far as a trace: JSON lines that the commands
// check, diagram and replay read, see docs/trace.md. It needs Config.Trace.
func (c *Cluster) Trace(out io.Writer) error {
	c.t.Helper()
	return c.recorded().write(out)
}

// Diagram writes what has happened so far as a space-time diagram: a page for the
// browser, with members as lines along time, and messages as arrows between them;
// what was cut is hatched, and what was lost ends in a cross. It needs
// Config.Trace.
func (c *Cluster) Diagram(out io.Writer) error {
	c.t.Helper()
	return c.recorded().draw(out)
}

func (c *Cluster) recorded() *record {
	c.t.Helper()
	if c.record == nil {
		c.t.Fatal("chatterboxtest: nothing was noted: set Config.Trace")
	}
	return c.record
}

func (r *record) write(out io.Writer) error {
	w := trace.NewWriter(out, r.header)
	for _, e := range r.events() {
		w.Tell(&e)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("chatterboxtest: trace: %w", err)
	}
	return nil
}

func (r *record) draw(out io.Writer) error {
	b := diagram.NewBuilder(r.header, nil)
	for _, e := range r.events() {
		b.Tell(&e)
	}
	run := b.Run()
	if _, err := diagram.Page(out, run, run.Whole()); err != nil {
		return fmt.Errorf("chatterboxtest: diagram: %w", err)
	}
	return nil
}

// judge fails a test in which a promise was broken, and leaves the trace and the
// diagram of one that failed.
func (r *record) judge(t testing.TB) {
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	judge := check.New(r.header, nil)
	for _, e := range r.events() {
		judge.Tell(&e)
	}
	for _, broken := range judge.Violations() {
		t.Errorf("chatterboxtest: a promise of the protocol is broken: %s", broken)
	}
	if t.Failed() {
		r.leave(t, "cluster.jsonl", r.write)
		r.leave(t, "cluster.html", r.draw)
	}
}

// leave writes a file that tells of a test that failed.
func (r *record) leave(t testing.TB, name string, write func(io.Writer) error) {
	path := filepath.Join(t.ArtifactDir(), name)
	file, err := os.Create(path)
	if err == nil {
		err = write(file)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		t.Errorf("chatterboxtest: %v", err)
		return
	}
	t.Logf("chatterboxtest: what happened is in %s; go test -artifacts keeps it", path)
}
