package outlook

import (
	"context"
	"time"

	"chatterbox"
)

const (
	// lookEvery is how often a member is looked at while somebody watches.
	lookEvery = 100 * time.Millisecond
	// idleEvery is how often while nobody does, so that what happened meanwhile
	// can be told.
	idleEvery = time.Second
	// shareMax is how many times longer than a look takes nobody looks, so that
	// looking takes less than two percent of a processor.
	shareMax = 50
	// batchesMax is how many batches that settled between two looks are read,
	// and how many tentative ones.
	batchesMax = 64
)

// Watch looks at a node again and again until ctx or the node ends, or somebody has
// joined: then it reports that there are more members, and another outlook is needed.
// Watched tells whether somebody watches: else batches are not read.
func (o *Outlook) Watch(ctx context.Context, n *chatterbox.Node, watched func() bool) (more bool) {
	r := reader{node: n, missed: true}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return false
		case <-n.Done():
			return false
		}
		began := time.Now()
		status := n.Status()
		if len(status.Members) > len(o.names) {
			return true
		}
		every, seen := idleEvery, &Seen{}
		if watched() {
			every, seen = lookEvery, r.read(ctx, &status)
		} else {
			r.missed = true
		}
		o.Look(began, &status, seen)
		timer.Reset(max(every, shareMax*time.Since(began)))
	}
}

// reader reads what a node holds around its frontier.
type reader struct {
	node   *chatterbox.Node
	missed bool                // something may have settled unseen
	after  chatterbox.Position // up to here it was read
}

func (r *reader) read(ctx context.Context, s *chatterbox.Status) *Seen {
	seen := &Seen{Skipped: r.missed}
	if r.missed { // whoever comes sees the latest
		r.missed, r.after = false, max(r.after, s.Settled-min(s.Settled, batchesMax))
	}
	if r.after < s.Settled {
		for b, err := range r.node.Batches(ctx, max(r.after, s.Oldest-1)) {
			if err != nil {
				break
			}
			seen.Settled = append(seen.Settled, batchOf(&b))
			r.after = b.Last()
			if r.after >= s.Settled || len(seen.Settled) == batchesMax {
				break
			}
		}
		if r.after < s.Settled {
			r.after, seen.Skipped = s.Settled, true
		}
	}
	for b, err := range r.node.Tentative(ctx) {
		if err != nil || len(seen.Tentative) == batchesMax {
			break
		}
		seen.Tentative = append(seen.Tentative, batchOf(&b))
	}
	return seen
}

func batchOf(b *chatterbox.Batch) Batch {
	return Batch{First: b.First, ID: b.ID, Entries: b.Len(), Lamport: b.Lamport}
}
