package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/journal"
	"chatterbox/internal/world/transport"
	"chatterbox/internal/world/wire"
)

const (
	// fetchAgain is how long peers are left alone that did not answer.
	fetchAgain = 250 * time.Millisecond
	// fetchParkedWithin is how long peers are asked for a parked batch that is damaged;
	// the node stands still meanwhile.
	fetchParkedWithin = 2 * time.Second
)

// Mended returns how many pieces of the folder were damaged at the start, or when
// they were needed again to be sent or delivered, and put back.
func (n *Node) Mended() int { return int(n.mended.Load()) }

// mending is a journal that gets from peers what the disk has damaged.
type mending struct {
	*journal.Journal
	n *Node
}

// Load reads the bytes of a parked batch, here or at a peer.
func (m mending) Load(b *protocol.Batch) error {
	damage := m.Journal.Load(b)
	if !errors.Is(damage, journal.ErrDamaged) || m.n.cfg.MendWithin == 0 {
		return damage
	}
	ctx, cancel := context.WithTimeout(context.Background(), fetchParkedWithin)
	defer cancel()
	from, found, err := m.n.Fetch(ctx, m.Lost(b))
	var unwritten error
	if err == nil {
		unwritten, err = m.Replace(b, &found)
	}
	if err != nil {
		return errors.Join(damage, err)
	}
	m.n.mended.Add(1)
	m.n.cfg.Log.Warn("a damaged batch was got from a peer: look at the disk", "damage", damage, "from", m.n.nameOf(from))
	if unwritten != nil {
		m.n.cfg.Log.Error("a damaged batch stays damaged on disk", "error", unwritten)
	}
	return nil
}

// Fetch gets from a peer the batch that lay at a place of this member's folder.
// Peers that do not answer are asked again until ctx ends. Any goroutine may call
// it.
func (n *Node) Fetch(ctx context.Context, place journal.Place) (from member.ID, b protocol.Batch, err error) {
	return n.fetch(ctx, n.transport, place)
}

func (n *Node) fetch(ctx context.Context, t *transport.Transport, place journal.Place) (from member.ID, b protocol.Batch, err error) {
	for {
		var why []error
		again := false
		for i := range t.Known() {
			if from = member.ID(i); from == n.cfg.Self {
				continue
			}
			if b, err = readFrom(ctx, t, from, place); err == nil {
				return from, b, nil
			}
			why = append(why, fmt.Errorf("%s: %w", n.nameOf(from), err))
			again = again || !errors.Is(err, transport.ErrNotKept)
		}
		if len(why) == 0 {
			return 0, b, errors.New("this member has no peers")
		}
		if !again {
			return 0, b, fmt.Errorf("no peer has it: %w", errors.Join(why...))
		}
		timer := time.NewTimer(fetchAgain)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return 0, b, fmt.Errorf("peers do not answer: %w", errors.Join(why...))
		}
	}
}

// readFrom reads from a peer the batch of a place.
func readFrom(ctx context.Context, t *transport.Transport, from member.ID, place journal.Place) (b protocol.Batch, err error) {
	ask := wire.Ask{At: place.First}
	if place.First == 0 { // it is not in the index
		ask = wire.Ask{At: place.Seq, Stream: uint64(place.Origin) + 1}
	}
	first, bytes, err := t.Read(ctx, from, ask)
	if err != nil {
		return b, err
	}
	rest, err := wire.DecodeBatch(bytes, &b)
	switch {
	case err != nil:
		return b, err
	case first != ask.At || len(rest) > 0:
		return b, fmt.Errorf("it has another batch there: %w", transport.ErrNotKept)
	}
	if err := place.Fits(&b); err != nil {
		return b, fmt.Errorf("%w: %w", transport.ErrNotKept, err)
	}
	return b, nil
}

// recover opens the journal. What is damaged in the folder is put back before, as
// far as it follows from the rest or a peer keeps it.
func (n *Node) recover(ctx context.Context, files journal.FS, open func(wholeIndex bool) error) error {
	if n.cfg.MendWithin == 0 {
		return open(false)
	}
	err := open(true)
	if err == nil || !errors.Is(err, journal.ErrDamaged) {
		return err
	}
	n.cfg.Log.Warn("the data folder is damaged: all of it is read now, and what is missing is asked of peers", "error", err, "for_at_most", n.cfg.MendWithin)
	if why := n.repair(ctx, files); why != nil {
		n.cfg.Log.Error("not all of the data folder can be mended", "why", why)
	}
	return open(false)
}

// repair mends the folder; the error says what is not mended.
func (n *Node) repair(ctx context.Context, files journal.FS) error {
	t, err := transport.Idle(n.transportConfig(nil))
	if err != nil {
		return err
	}
	defer t.Close(ctx)
	lock, err := files.Lock()
	if err != nil {
		return err
	}
	wait := n.cfg.MendWithin
	repaired, err := journal.Repair(files, func(_ *journal.Report, place journal.Place) (protocol.Batch, error) {
		ctx, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		_, b, err := n.fetch(ctx, t, place)
		if ctx.Err() != nil {
			wait = 0 // peers that are not there are waited for once
		}
		return b, err
	})
	for _, damage := range repaired.Mended {
		n.cfg.Log.Warn("a damaged piece of the data folder was put back: look at the disk", "piece", damage.String())
	}
	n.mended.Store(int64(len(repaired.Mended)))
	return errors.Join(err, errors.Join(repaired.Why...), lock.Close())
}
