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
	n.fetch.listen(make(chan answer, 2*partsAhead))
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

// partsAhead is how many parts of a snapshot are asked for before the first of them has
// come: a way that takes 50 ms there and back carries 20 MB/s so.
const partsAhead = 16

// stateBytesAtOnce is for how much of a snapshot there is memory at once, before it has come.
const stateBytesAtOnce = 1 << 30

// download is a snapshot that comes from a peer.
type download struct {
	n       *Node
	from    member.ID
	state   []byte
	at      uint64 // its position; 0: none has come yet
	size    uint64 // of the whole
	asked   uint64 // bytes that were asked for
	waiting int    // parts that were asked for and have not come
}

// fetchFrom gets the newest snapshot of a peer, part by part.
func (n *Node) fetchFrom(ctx context.Context, from member.ID) (state []byte, at uint64, err error) {
	for d := (download{n: n, from: from}); ; {
		part, err := d.next(ctx)
		switch {
		case err != nil:
			return nil, 0, err
		case part.At == 0 && d.at > 0: // it has a newer one by now
			d.drain(ctx)
			d = download{n: n, from: from}
			continue
		case part.At == 0, part.At+1 < n.history.Extent().Oldest:
			d.drain(ctx)
			return nil, 0, ErrNoSnapshot
		}
		if d.at == 0 {
			d.state = make([]byte, 0, min(part.Size, stateBytesAtOnce))
		}
		d.at, d.size, d.state = part.At, part.Size, append(d.state, part.Bytes...)
		if uint64(len(d.state)) == d.size {
			return d.state, d.at, nil
		}
		if len(part.Bytes) == 0 {
			return nil, 0, errNoAnswer
		}
		if len(part.Bytes) < wire.PartBytesMax {
			d.asked = uint64(len(d.state)) // what was asked for behind it begins elsewhere
		}
	}
}

// next returns the next part, and asks for those behind it; a few times if there is no
// answer.
func (d *download) next(ctx context.Context) (wire.Part, error) {
	for range 3 {
		d.ask()
		if part, ok := d.hear(ctx, func(p *wire.Part) bool {
			return p.At == 0 || p.Offset == uint64(len(d.state)) && (d.at == 0 || p.At == d.at)
		}); ok {
			return part, nil
		}
		if ctx.Err() != nil || d.n.isClosed() {
			break
		}
		d.asked, d.waiting = uint64(len(d.state)), 0
	}
	return wire.Part{}, errNoAnswer
}

// ask asks for as many parts as may be under way: the first one says how many there are.
func (d *download) ask() {
	have := uint64(len(d.state))
	for d.asked = max(d.asked, have); d.asked == have || d.asked < min(d.size, have+partsAhead*wire.PartBytesMax); d.asked += wire.PartBytesMax {
		d.n.inner.Ask(d.from, wire.Ask{At: d.at, Offset: d.asked})
		d.waiting++
	}
}

// hear waits for a part that is wanted; others, which are late, are ignored.
func (d *download) hear(ctx context.Context, wanted func(*wire.Part) bool) (wire.Part, bool) {
	timer := time.NewTimer(answerWithin)
	defer timer.Stop()
	for {
		select {
		case a := <-d.n.fetch.answers:
			if a.from != d.from {
				continue
			}
			d.waiting = max(d.waiting-1, 0)
			if wanted(&a.part) {
				return a.part, true
			}
		case <-timer.C:
			return wire.Part{}, false
		case <-d.n.closed:
			return wire.Part{}, false
		case <-ctx.Done():
			return wire.Part{}, false
		}
	}
}

// drain takes what is still under way, which would pass for answers to what is asked next.
func (d *download) drain(ctx context.Context) {
	for d.waiting > 0 {
		if _, ok := d.hear(ctx, func(*wire.Part) bool { return true }); !ok {
			return
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
