package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"chatterbox/job"
	"chatterbox/trace"
)

// record lets the run write its trace to a file, for the parent to merge.
func (c *nodeCommand) record(cfg *job.Config) error {
	if c.Trace.Value == "" {
		return nil
	}
	file, err := os.OpenFile(c.Trace.Value, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	recorder := &recording{file: file, shift: time.Since(c.epoch)}
	cfg.Node.Trace = recorder
	return nil
}

// recording writes events straight to a file, so that nothing is lost when
// the process is killed. Times become times since the failure map began.
type recording struct {
	shift time.Duration

	mu   sync.Mutex // guards all below
	file *os.File
	line []byte
}

// Tell writes one event. What cannot be written is missing in the trace, which
// whoever reads it will notice.
func (r *recording) Tell(e *trace.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	shifted := *e
	shifted.At += r.shift
	r.line = append(trace.AppendJSON(r.line[:0], &shifted), '\n')
	_, _ = r.file.Write(r.line)
}
