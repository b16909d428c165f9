package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"chatterbox/cluster"
	"chatterbox/job"
	"chatterbox/member"
	"chatterbox/trace"
)

// record lets the run write its trace to files that the parent merges: one of
// what happens on the node's loop, and one of its result.
func (c *nodeCommand) record(cfg *job.Config) error {
	if c.Trace.Value == "" {
		return nil
	}
	header := traceHeader(c.members, &c.runFlags, cfg.Seed)
	events, err := newRecording(c.Trace.Value+cluster.TraceSuffix, header, c.epoch)
	if err != nil {
		return err
	}
	result, err := newRecording(c.Trace.Value+"-result"+cluster.TraceSuffix, header, c.epoch)
	if err != nil {
		return err
	}
	cfg.Node.Trace = events
	show := cfg.Print
	cfg.Print = func(outcome *job.Outcome) {
		result.write(finalEvent(c.self, outcome), outcome.Taken)
		show(outcome)
	}
	return nil
}

// traceHeader says what a run is, in the first line of its trace.
func traceHeader(members member.List, flags *runFlags, seed uint64) trace.Header {
	header := trace.Header{
		Protocol: flags.Protocol.Value, Seed: seed, Numbers: true,
		Journal: flags.DataDir.Value != "", TickNs: flags.Tick.Duration,
	}
	for _, m := range members {
		header.Members = append(header.Members, m.Name)
	}
	return header
}

// finalEvent tells the result of a member.
func finalEvent(self member.ID, outcome *job.Outcome) trace.Event {
	digest, err := strconv.ParseUint(outcome.Digest, 16, 64)
	if err != nil {
		panic(err) // our own text
	}
	return trace.Event{
		Kind: trace.Final, Member: self, Position: outcome.Count, Hash: digest, State: outcome.State,
		Complete: outcome.Complete, Note: fmt.Sprintf("(%d,%s)", outcome.Count, outcome.Score),
	}
}

// recording writes events straight to a file, so that nothing is lost when
// the process is killed. Their times count from an epoch that all members
// share. One goroutine at a time may use it.
type recording struct {
	epoch time.Time
	file  *os.File
	line  []byte
}

func newRecording(path string, header trace.Header, epoch time.Time) (*recording, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	return &recording{epoch: epoch, file: file}, trace.NewWriter(file, header).Close()
}

// Tell writes one event that happens now.
func (r *recording) Tell(e *trace.Event) { r.write(*e, time.Now()) }

// write writes one event. What cannot be written is missing in the trace,
// which whoever judges it will notice.
func (r *recording) write(e trace.Event, at time.Time) {
	e.At = at.Sub(r.epoch)
	r.line = append(trace.AppendJSON(r.line[:0], &e), '\n')
	_, _ = r.file.Write(r.line)
}
