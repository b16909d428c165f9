package chatterbox

import (
	"context"
	"errors"
	"fmt"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/node"
)

// Broadcast puts a payload into the log: it copies it, waits for room, and
// returns once it is accepted, that is durable here if there is a folder.
// Goroutines that call at the same time share a sync of the disk; for many
// payloads of one goroutine use BroadcastAll or Fill.
//
// An error together with the zero ID means that the payload is not in the log
// and never will be. An error together with an ID means that ctx, the disk or
// the node ended between the two, or that the others evicted this member: the
// entry is in doubt until Position knows more. A retry in that case can make a second entry, unless it has a key.
//
// The error wraps [ErrPayload], [ErrFull], [ErrReadOnly], [ErrClosed] or the
// cause of ctx.
func (n *Node) Broadcast(ctx context.Context, payload []byte) (ID, error) {
	seq, err := n.inner.Broadcast(ctx, payload)
	if err != nil {
		return ID{}, n.refused(err)
	}
	return n.accepted(ctx, seq)
}

// BroadcastAll is Broadcast for many payloads, in their order, with one wait
// for all. It returns the IDs of those that were taken, from the first on, which are
// all if there is no error; with an error those with an ID are in doubt, the others are not
// in the log. It is not atomic: other members' entries may come between.
func (n *Node) BroadcastAll(ctx context.Context, payloads [][]byte) ([]ID, error) {
	for i, payload := range payloads {
		if len(payload) < 1 || len(payload) > MaxPayload {
			return nil, fmt.Errorf("%w: payload %d has %d bytes, allowed are 1 to %d", ErrPayload, i, len(payload), MaxPayload)
		}
	}
	numbers := make([]uint64, 0, len(payloads))
	last := uint64(0)
	var refusal error
	for _, payload := range payloads {
		number, err := n.inner.BroadcastAfter(ctx, last, payload)
		if err != nil {
			refusal = n.refused(err)
			break
		}
		last = number
		numbers = append(numbers, number)
	}
	if len(numbers) == 0 {
		return nil, refusal
	}
	_, err := n.accepted(ctx, last)
	var ids []ID
	for _, number := range numbers {
		if err == nil || !n.inner.Never(number) {
			ids = append(ids, n.id(number))
		}
	}
	return ids, errors.Join(refusal, err)
}

// Fill puts in many payloads of size bytes each without a call or a copy for
// each. It calls fill again and again with room for at least one payload; fill
// writes some, side by side from the start of dst, and returns how many; 0
// ends Fill. It returns the ID of the last one, once all are accepted; errors
// are those of Broadcast. While fill runs nobody else can broadcast, so it must
// not wait, and not call the node.
func (n *Node) Fill(ctx context.Context, size int, fill func(dst []byte) int) (ID, error) {
	last, more := uint64(0), true
	once := func(dst []byte) int {
		count := fill(dst)
		more = count > 0
		return count * size
	}
	var refusal error
	for more && refusal == nil {
		seq, err := n.inner.FillAfter(ctx, last, size, once)
		switch {
		case err != nil:
			refusal = n.refused(err)
		case more:
			last = seq
		}
	}
	if last == 0 {
		return ID{}, refusal
	}
	id, err := n.accepted(ctx, last)
	return id, errors.Join(refusal, err)
}

// id names an entry of this member by its number.
func (n *Node) id(number uint64) ID {
	seq := node.Seq(number)
	life, _ := n.lifeAt(n.self, seq)
	return ID{Origin: n.name, Life: life, Seq: seq}
}

// accepted waits until own entries up to one are accepted, by its number. The ID is zero
// if that one never got into the log.
func (n *Node) accepted(ctx context.Context, number uint64) (ID, error) {
	err := n.inner.Accepted(ctx, number)
	switch {
	case err == nil:
		return n.id(number), nil
	case errors.Is(err, node.ErrNever):
		return ID{}, n.whyEnded()
	case n.isClosed():
		return n.id(number), n.err
	case errors.Is(err, node.ErrLetGo), n.inner.Err() != nil:
		return n.id(number), fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	if stalled := n.inner.Stalled(); stalled != nil {
		return n.id(number), fmt.Errorf("%w for %s: %w: %w", ErrFull, n.id(number), stalled, err)
	}
	return n.id(number), fmt.Errorf("chatterbox: %s is not accepted: %w", n.id(number), err)
}

// refused translates why a payload was not taken.
func (n *Node) refused(err error) error {
	switch {
	case errors.Is(err, node.ErrPayload):
		return fmt.Errorf("%w: %w", ErrPayload, err)
	case errors.Is(err, protocol.ErrNoRoom):
		return fmt.Errorf("%w: %w", ErrFull, err)
	case errors.Is(err, node.ErrRoom):
		return fmt.Errorf("%w, %s: %w", ErrFull, n.whyNoRoom(), err)
	}
	return n.whyEnded()
}

// whyEnded returns why nothing is taken any more.
func (n *Node) whyEnded() error {
	if n.isClosed() {
		return n.err
	}
	switch refusal := n.inner.Refuses(); {
	case refusal == nil:
		return fmt.Errorf("%w what it had taken in before it knew that its data is gone: that is dropped; put it in again", ErrReadOnly)
	case errors.Is(refusal, node.ErrStreamClosed), errors.Is(refusal, node.ErrClosed):
		return ErrClosed
	}
	return fmt.Errorf("%w: %w", ErrReadOnly, n.inner.Refuses())
}

func (n *Node) isClosed() bool {
	select {
	case <-n.closed:
		return true
	default:
		return false
	}
}
