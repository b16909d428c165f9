package chatterbox

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
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
	own, err := n.ownSnapshot(ctx)
	for errors.Is(err, ErrNoSnapshot) {
		if err := n.fetchSnapshot(ctx); err != nil {
			return err
		}
		own, err = n.ownSnapshot(ctx)
	}
	if err != nil {
		return err
	}
	defer own.file.Close() //nolint:errcheck // it was only read
	return read(Position(own.at), own.reader())
}

// ownSnapshot opens the newest snapshot that is kept here, if history continues it.
func (n *Node) ownSnapshot(ctx context.Context) (*kept, error) {
	if err := n.await(ctx, n.snapshots.turn, func() string { return "a snapshot is written" }); err != nil {
		return nil, err
	}
	defer n.snapshots.turn.pass()
	own, err := n.snapshots.newest()
	if err == nil && own.at+1 < n.history.Extent().Oldest {
		_ = own.file.Close() // it was only read
		return nil, ErrNoSnapshot
	}
	return own, err
}

// fetchSnapshot gets a snapshot from a peer and keeps it as this member's own, from one
// after the other until all have said that they have none that history continues here.
func (n *Node) fetchSnapshot(ctx context.Context) error {
	if err := n.await(ctx, n.fetch.turn, func() string { return "another call gets the snapshot of a peer" }); err != nil {
		return err
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
			err := n.fetchFrom(ctx, member.ID(id))
			none[id] = errors.Is(err, ErrNoSnapshot)
			switch {
			case err == nil:
				return nil
			case !none[id] && !errors.Is(err, errNoAnswer): // it cannot be kept
				return err
			}
			if err := n.mayGoOn(ctx); err != nil {
				return err
			}
		}
		if !left {
			return fmt.Errorf("%w that history continues here, at no member", ErrNoSnapshot)
		}
	}
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

// partsWaiting is how many parts that have come wait to be written: while the disk is synced
// as many come as are written before the next time.
const partsWaiting = steadyBytes / wire.PartBytesMax

// errNewer says that the peer has another snapshot by now.
var errNewer = errors.New("chatterbox: a newer snapshot")

// download is a snapshot that comes from a peer.
type download struct {
	n       *Node
	from    member.ID
	have    uint64 // bytes that have come
	sum     hash.Hash32
	at      uint64 // its position; 0: none has come yet
	size    uint64 // of the whole
	asked   uint64 // bytes that were asked for
	waiting int    // parts that were asked for and have not come
}

// fetchFrom gets the newest snapshot of a peer, and keeps it. The error wraps ErrNoSnapshot or
// errNoAnswer if that is the peer's.
func (n *Node) fetchFrom(ctx context.Context, from member.ID) error {
	for {
		d := download{n: n, from: from, sum: crc32.New(crc32.MakeTable(crc32.Castagnoli))}
		first, err := d.next(ctx)
		switch {
		case err != nil:
			return err
		case first.At == 0, first.At+1 < n.history.Extent().Oldest:
			d.drain(ctx)
			return ErrNoSnapshot
		}
		if err := d.keep(ctx, first); !errors.Is(err, errNewer) {
			return err
		}
	}
}

// keep keeps a snapshot as this member's own while it comes, of which the first part is there.
func (d *download) keep(ctx context.Context, first wire.Part) error {
	n := d.n
	if err := n.await(ctx, n.snapshots.turn, func() string { return "another snapshot is written" }); err != nil {
		return err
	}
	defer n.snapshots.turn.pass()
	return n.snapshots.store(first.At, func(w io.Writer) error {
		ctx, cancel := context.WithCancel(ctx)
		parts, failed := make(chan []byte, partsWaiting), make(chan error, 1)
		go func() {
			defer close(parts)
			failed <- d.pull(ctx, first, parts)
		}()
		defer func() { // nobody else may hear the answers meanwhile
			cancel()
			for range parts { //nolint:revive // until it has ended
			}
		}()
		for part := range parts {
			if _, err := w.Write(part); err != nil {
				return err
			}
		}
		return <-failed
	})
}

// pull passes on what there is of a snapshot, part by part, of which the first one has come.
func (d *download) pull(ctx context.Context, part wire.Part, parts chan<- []byte) error {
	for {
		d.at, d.size, d.have = part.At, part.Size, d.have+uint64(len(part.Bytes))
		select {
		case parts <- part.Bytes:
		case <-ctx.Done():
			return errNoAnswer
		}
		_, _ = d.sum.Write(part.Bytes) // never fails
		switch {
		case d.have == d.size:
			return d.confirm(ctx)
		case len(part.Bytes) == 0, d.have > d.size:
			return errNoAnswer
		case len(part.Bytes) < wire.PartBytesMax:
			d.asked = d.have // what was asked for behind it begins elsewhere
		}
		var err error
		if part, err = d.next(ctx); err != nil {
			return err
		}
		if part.At == 0 {
			d.drain(ctx)
			return errNewer
		}
	}
}

// confirm asks for the checksum of what has come: the peer may have another snapshot of the
// same position by now, of which some parts were.
func (d *download) confirm(ctx context.Context) error {
	d.asked = d.have // the last part is seldom a full one
	part, err := d.next(ctx)
	if err != nil {
		return err
	}
	_, _ = d.sum.Write(binary.LittleEndian.AppendUint64(nil, d.at)) // never fails
	if part.At == 0 || len(part.Bytes) == wire.PartSumBytes && binary.LittleEndian.Uint32(part.Bytes) != d.sum.Sum32() {
		d.drain(ctx)
		return errNewer
	}
	return nil
}

// next returns the next part, and asks for those behind it; a few times if there is no
// answer.
func (d *download) next(ctx context.Context) (wire.Part, error) {
	for range 3 {
		d.ask()
		if part, ok := d.hear(ctx, func(p *wire.Part) bool {
			return p.At == 0 || p.Offset == d.have && (d.at == 0 || p.At == d.at)
		}); ok {
			return part, nil
		}
		if ctx.Err() != nil || d.n.isClosed() {
			break
		}
		d.asked, d.waiting = d.have, 0
	}
	return wire.Part{}, errNoAnswer
}

// ask asks for as many parts as may be under way: the first one says how many there are.
func (d *download) ask() {
	for d.asked = max(d.asked, d.have); d.asked == d.have || d.asked < min(d.size, d.have+partsAhead*wire.PartBytesMax); d.asked += wire.PartBytesMax {
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
