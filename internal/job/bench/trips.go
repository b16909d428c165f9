package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// trips is the pace of a protocol that has one entry of each member in flight:
// every member sends one to all peers, and the next when all have sent it back.
type trips struct {
	entries atomic.Uint64
	own     atomic.Uint64
	sent    atomic.Uint64
}

func measureTrips(ctx context.Context, listener net.Listener, load Load, barrier Barrier) (Result, error) {
	out, in, err := connect(ctx, listener, load)
	if err != nil {
		return Result{}, err
	}
	if err := barrier(); err != nil {
		return Result{}, err
	}
	t := &trips{}
	var group sync.WaitGroup
	for _, conn := range in {
		group.Go(func() { t.answer(conn, load.Payload) })
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	asked := make(chan error, 1)
	go func() { asked <- t.ask(ctx, out, load.Payload) }()
	result, err := Window(ctx, load, Gauge{Counts: t.counts}, barrier)
	cancel()
	closeAll(out)
	if farewell := <-asked; err == nil && !isFarewell(farewell) {
		err = farewell
	}
	closeAll(in)
	group.Wait()
	return result, err
}

func closeAll(conns []net.Conn) {
	for _, conn := range conns {
		_ = conn.Close()
	}
}

// ask sends one entry at a time and waits until it came back from all.
func (t *trips) ask(ctx context.Context, out []net.Conn, size int) error {
	entry := make([]byte, size)
	for ctx.Err() == nil {
		for _, conn := range out {
			if _, err := conn.Write(entry); err != nil {
				return fmt.Errorf("bench: trip: %w", err)
			}
		}
		for _, conn := range out {
			if _, err := io.ReadFull(conn, entry); err != nil {
				return fmt.Errorf("bench: trip back: %w", err)
			}
		}
		t.own.Add(1)
		t.entries.Add(1)
		t.sent.Add(uint64(size * len(out)))
	}
	return nil
}

// answer sends back what a peer sends, until it sends no more.
func (t *trips) answer(conn net.Conn, size int) {
	entry := make([]byte, size)
	for {
		if _, err := io.ReadFull(conn, entry); err != nil {
			return
		}
		if _, err := conn.Write(entry); err != nil {
			return
		}
		t.entries.Add(1)
	}
}

func (t *trips) counts() Counts {
	return Counts{Entries: t.entries.Load(), Own: t.own.Load(), Sent: t.sent.Load()}
}
