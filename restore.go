package chatterbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/world/wire"
)

// answerWithin is how long a peer has to answer before it is asked again, or
// another one is.
const answerWithin = 500 * time.Millisecond

// fetch is a snapshot that is being got from peers, by one Restore at a time.
type fetch struct {
	turn turn // of who fetches

	inbox   sync.Mutex // guards answers
	answers chan answer
}

// answer is a part that came from a peer.
type answer struct {
	from member.ID
	part wire.Part
}

// Restore calls read, once and by this goroutine, with the newest snapshot that
// the history of this member continues: its own one, or else one of a peer,
// which is waited for until ctx ends and then kept here. at is its position:
// replace the state by what r has, then go on with Entries(ctx, at). An error
// of read is returned as it is. If nobody has a snapshot the error is
// [ErrNoSnapshot].
//
// Call it at a start, to replay less, and when Entries ends with
// [ErrCompacted]. It never runs by itself: the goroutine that owns the state
// decides when it is replaced.
func (n *Node) Restore(ctx context.Context, read func(at Position, r io.Reader) error) error {
	switch {
	case n.isClosed():
		return n.err
	case context.Cause(ctx) != nil:
		return fmt.Errorf("chatterbox: restore: %w", context.Cause(ctx))
	}
	state, at, err := n.ownSnapshot(ctx)
	if err == nil && at+1 < n.history.Extent().Oldest {
		err = ErrNoSnapshot // history goes on too far behind it
	}
	if errors.Is(err, ErrNoSnapshot) {
		state, at, err = n.fetchSnapshot(ctx)
	}
	if err != nil {
		return err
	}
	return read(Position(at), bytes.NewReader(state))
}

// ownSnapshot returns the newest snapshot that is kept here.
func (n *Node) ownSnapshot(ctx context.Context) (state []byte, at uint64, err error) {
	if err := n.await(ctx, n.snapshots.turn, func() string { return "a snapshot is written" }); err != nil {
		return nil, 0, err
	}
	defer n.snapshots.turn.pass()
	_, state, at, err = n.snapshots.newest()
	return state, at, err
}

// fetchSnapshot gets a snapshot from a peer, one after the other until all have
// said that they have none that history continues here.
func (n *Node) fetchSnapshot(ctx context.Context) (state []byte, at uint64, err error) {
	if err := n.await(ctx, n.fetch.turn, func() string { return "another call gets the snapshot of a peer" }); err != nil {
		return nil, 0, err
	}
	defer n.fetch.turn.pass()
	n.fetch.listen(make(chan answer, 1))
	defer n.fetch.listen(nil)
	defer n.tellIfLate(func() string { return "restore: there is no snapshot here, and of peers " + n.silent() }).Stop()
	none := make([]bool, len(n.list()))
	none[n.self] = true
	view, _ := n.inner.View()
	for id := range none {
		none[id] = none[id] || isGone(view, member.ID(id))
	}
	for {
		left := false
		for id := range none {
			if none[id] {
				continue
			}
			left = true
			state, at, err = n.fetchFrom(ctx, member.ID(id))
			if err == nil {
				return state, at, n.keepFetched(ctx, at, state)
			}
			none[id] = errors.Is(err, ErrNoSnapshot)
			if err := n.mayGoOn(ctx); err != nil {
				return nil, 0, err
			}
		}
		if !left {
			return nil, 0, fmt.Errorf("%w that history continues here, at no member", ErrNoSnapshot)
		}
	}
}

// keepFetched keeps the snapshot of a peer as this member's own.
func (n *Node) keepFetched(ctx context.Context, at uint64, state []byte) error {
	if err := n.await(ctx, n.snapshots.turn, func() string { return "another snapshot is written" }); err != nil {
		return err
	}
	defer n.snapshots.turn.pass()
	return n.snapshots.store(at, func(w io.Writer) error {
		_, err := w.Write(state)
		return err
	})
}

func (n *Node) mayGoOn(ctx context.Context) error {
	if n.isClosed() {
		return n.err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("chatterbox: restore: %s: %w", n.silent(), context.Cause(ctx))
	}
	return nil
}

// errNoAnswer says that a peer does not answer just now.
var errNoAnswer = errors.New("chatterbox: no answer")

// fetchFrom gets the newest snapshot of a peer, part by part.
func (n *Node) fetchFrom(ctx context.Context, from member.ID) (state []byte, at uint64, err error) {
	for {
		part, err := n.askFor(ctx, from, wire.Ask{At: at, Offset: uint64(len(state))})
		switch {
		case err != nil:
			return nil, 0, err
		case part.At == 0 && at > 0: // it has a newer one by now
			state, at = nil, 0
			continue
		case part.At == 0, part.At+1 < n.history.Extent().Oldest:
			return nil, 0, ErrNoSnapshot
		}
		at, state = part.At, append(state, part.Bytes...)
		if uint64(len(state)) == part.Size {
			return state, at, nil
		}
		if len(part.Bytes) == 0 {
			return nil, 0, errNoAnswer
		}
	}
}

// askFor asks a peer for a part, a few times if there is no answer.
func (n *Node) askFor(ctx context.Context, from member.ID, ask wire.Ask) (wire.Part, error) {
	for range 3 {
		n.inner.Ask(from, ask)
		timer := time.NewTimer(answerWithin)
		part, ok := n.fetch.await(ctx, timer.C, n.closed, from, ask)
		timer.Stop()
		if ok {
			return part, nil
		}
		if ctx.Err() != nil || n.isClosed() {
			break
		}
	}
	return wire.Part{}, errNoAnswer
}

// await waits for the answer to an ask; others, which are late, are ignored.
func (f *fetch) await(ctx context.Context, late <-chan time.Time, closed <-chan struct{}, from member.ID, ask wire.Ask) (wire.Part, bool) {
	for {
		select {
		case a := <-f.answers:
			if a.from == from && (a.part.At == 0 || a.part.Offset == ask.Offset && (ask.At == 0 || a.part.At == ask.At)) {
				return a.part, true
			}
		case <-late:
			return wire.Part{}, false
		case <-closed:
			return wire.Part{}, false
		case <-ctx.Done():
			return wire.Part{}, false
		}
	}
}

func (f *fetch) listen(answers chan answer) {
	f.inbox.Lock()
	defer f.inbox.Unlock()
	f.answers = answers
}

// hear takes a part from a peer, if somebody waits for it.
func (f *fetch) hear(from member.ID, part wire.Part) {
	f.inbox.Lock()
	defer f.inbox.Unlock()
	if f.answers == nil {
		return
	}
	part.Bytes = bytes.Clone(part.Bytes)
	select {
	case f.answers <- answer{from, part}:
	default: // it will be asked for again
	}
}

// serve answers a peer that asks for a part of a snapshot.
func (n *Node) serve(from member.ID, ask wire.Ask) (wire.Part, bool) {
	part, err := n.snapshots.part(ask)
	if err != nil {
		n.log.Warn("a snapshot that a peer asked for cannot be read", "peer", n.called(from), "error", err)
	}
	return part, err == nil
}
