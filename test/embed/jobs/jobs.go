// Package jobs hands out work: a job that is put in at any member is done by one
// worker, whoever's claim comes first in the log. Nobody leads.
package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"chatterbox"
)

// Board is one member's view of the work. Run keeps it up to date.
type Board struct {
	node *chatterbox.Node

	mu      sync.Mutex // guards all below
	open    []string   // in the order of the log
	claimed map[string]string
	changed chan struct{} // closed when something changes
}

// New returns the view of a node's member.
func New(node *chatterbox.Node) *Board {
	return &Board{node: node, claimed: map[string]string{}, changed: make(chan struct{})}
}

// event is what the log says of a job: that it is there, or who claims it.
type event struct{ Job, By string }

// Add puts a job in. Who calls again after an error puts it in once.
func (b *Board) Add(ctx context.Context, job string) error {
	payload, err := json.Marshal(event{Job: job})
	if err == nil {
		_, err = b.node.BroadcastKeyed(ctx, "add "+job, payload)
	}
	return err
}

// Take claims an open job for a worker, and waits for one. What it returns is
// nobody else's.
func (b *Board) Take(ctx context.Context, worker string) (job string, err error) {
	for {
		b.mu.Lock()
		changed := b.changed
		if len(b.open) > 0 {
			job = b.open[0]
		}
		b.mu.Unlock()
		if job == "" {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return "", context.Cause(ctx)
			}
		}
		if mine, err := b.claim(ctx, job, worker); err != nil || mine {
			return job, err
		}
		job = ""
	}
}

// claim says in the log that the worker wants a job, and reports whether nobody
// was before him.
func (b *Board) claim(ctx context.Context, job, worker string) (bool, error) {
	payload, err := json.Marshal(event{Job: job, By: worker})
	if err != nil {
		return false, err
	}
	if _, err := b.node.BroadcastKeyed(ctx, "claim "+job+" for "+worker, payload); err != nil {
		return false, err
	}
	for {
		b.mu.Lock()
		by, changed := b.claimed[job], b.changed
		b.mu.Unlock()
		if by != "" {
			return by == worker, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// Run follows the log until ctx ends or the node is closed.
func (b *Board) Run(ctx context.Context) error {
	for entry, err := range b.node.Entries(ctx, 0) {
		if err != nil {
			return err
		}
		var e event
		if err := json.Unmarshal(entry.Payload, &e); err != nil {
			return fmt.Errorf("jobs: entry %s: %w", entry.ID, err)
		}
		b.happened(e)
	}
	return nil
}

// happened takes in an event. Later claims of a job do not count, nor does a job
// that is put in twice.
func (b *Board) happened(e event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	by, known := b.claimed[e.Job]
	switch {
	case e.By == "" && !known:
		b.claimed[e.Job] = ""
		b.open = append(b.open, e.Job)
	case e.By != "" && known && by == "":
		b.claimed[e.Job] = e.By
		for i, job := range b.open {
			if job == e.Job {
				b.open = append(b.open[:i], b.open[i+1:]...)
				break
			}
		}
	}
	close(b.changed)
	b.changed = make(chan struct{})
}
