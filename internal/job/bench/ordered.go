package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/workload"
	"chatterbox/internal/world/node"
	"chatterbox/internal/world/wire"
)

// orderedMember is chatterbox at one process: the node, what feeds it and what
// looks at the deliveries.
type orderedMember struct {
	load    Load
	node    *node.Node
	times   *Times
	entries atomic.Uint64
	own     atomic.Uint64

	endEvents func() // ends what tells whoever watches
}

func measureOrdered(ctx context.Context, listener net.Listener, load Load, barrier Barrier) (Result, error) {
	times, err := CreateTimes(load)
	if err != nil {
		return Result{}, err
	}
	m := &orderedMember{load: load, times: times}
	if err := m.start(ctx, listener); err != nil {
		return Result{}, err
	}
	if err := m.meet(ctx); err != nil {
		return Result{}, err
	}
	if err := barrier(); err != nil {
		return Result{}, err
	}
	feeding, stop := context.WithCancel(ctx)
	defer stop()
	fed := make(chan error, 1)
	go func() { fed <- m.feed(feeding) }()
	result, err := Window(ctx, load, Gauge{Counts: m.counts}, barrier)
	stop()
	if feedErr := <-fed; !errors.Is(feedErr, context.Canceled) {
		err = errors.Join(err, feedErr)
	}
	m.node.CloseStream()
	m.waitForAll(ctx)
	if status, err := m.node.Status(ctx); err == nil {
		result.Copies, result.Needed = status.CopiesIn, status.AppendsIn
	}
	err = errors.Join(err, m.node.Close(ctx), times.Close())
	m.endEvents()
	return result, err
}

func (m *orderedMember) start(ctx context.Context, listener net.Listener) error {
	list, err := members(m.load.Addrs)
	if err != nil {
		return err
	}
	cfg := node.Config{
		Members: list, Self: member.ID(m.load.Self), Cluster: "bench", Listener: listener,
		Protocol: node.Protocol(m.load.Protocol), BatchEntriesMax: m.batchEntries(), Tick: m.load.Tick,
		MemoryBytesMax: m.load.Memory, Deliver: m.deliver, Prepare: m.prepare(), Fold: workload.FoldState,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	}
	if m.endEvents, err = tellEvents(ctx, &m.load, &cfg); err != nil {
		return err
	}
	m.node, err = node.Start(ctx, cfg)
	return err
}

func (m *orderedMember) batchEntries() int {
	if m.load.Protocol == "lockstep" {
		return m.load.Batch
	}
	return 0
}

// prepare returns what the score workload does with payloads of 8 bytes.
func (m *orderedMember) prepare() func(*protocol.Batch) any {
	if m.load.Payload == workload.EntryBytes && m.load.Rate == 0 {
		return workload.Prepare
	}
	return nil
}

func members(addrs []string) (member.List, error) {
	var list member.List
	for i, addr := range addrs {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		number, err := strconv.Atoi(port)
		if err != nil {
			return nil, err
		}
		list = append(list, member.Member{Name: memberName(i), Host: host, Port: number})
	}
	return list, nil
}

// meet waits until the members have agreed on who is who.
func (m *orderedMember) meet(ctx context.Context) error {
	for {
		status, err := m.node.Status(ctx)
		if err != nil || status.Agreed || m.load.Protocol == "lockstep" && allHeard(status) {
			return err
		}
		pause(ctx, m.load.Tick)
	}
}

func allHeard(status protocol.Status) bool {
	for _, heard := range status.Heard {
		if !heard {
			return false
		}
	}
	return true
}

// waitForAll lets the log settle everywhere, so that every member has the
// delivery time of the same entries.
func (m *orderedMember) waitForAll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	select {
	case <-m.node.AllComplete():
	case <-m.node.Done():
	case <-ctx.Done():
	}
}

func (m *orderedMember) counts() Counts {
	counts := Counts{Entries: m.entries.Load(), Own: m.own.Load()}
	for _, peer := range m.node.Traffic() {
		counts.Sent += peer.SentBytes
		counts.Writes += peer.Writes
	}
	return counts
}

// feed broadcasts until ctx ends. The time in an entry is when it found room:
// under saturation waiting for room is the pace of the machine.
func (m *orderedMember) feed(ctx context.Context) error {
	if m.load.Rate > 0 {
		return m.feedPaced(ctx)
	}
	numbers := workload.NewNumbers(1, m.load.Self)
	fill := func(dst []byte) int {
		dst = dst[:len(dst)/m.load.Payload*m.load.Payload]
		numbers.Fill(dst[:len(dst)/workload.EntryBytes*workload.EntryBytes])
		stamp(dst, time.Now().UnixNano())
		return len(dst)
	}
	for ctx.Err() == nil {
		if _, err := m.node.Fill(ctx, m.load.Payload, fill); err != nil {
			return err
		}
	}
	return nil
}

// feedPaced broadcasts entries at this member's part of the rate, one at a
// time; members take turns.
func (m *orderedMember) feedPaced(ctx context.Context) error {
	every := time.Duration(float64(time.Second) * float64(len(m.load.Addrs)) / m.load.Rate)
	next := time.Now().Add(every * time.Duration(m.load.Self) / time.Duration(len(m.load.Addrs)))
	payload := make([]byte, m.load.Payload)
	for ctx.Err() == nil {
		pause(ctx, time.Until(next))
		next = next.Add(every)
		stamp(payload, time.Now().UnixNano())
		if _, err := m.node.Broadcast(ctx, payload); err != nil {
			return err
		}
	}
	return nil
}

// deliver counts, and writes down the times: of every entry at a given pace,
// of the first of each batch under saturation.
func (m *orderedMember) deliver(batches []protocol.Batch) {
	now := time.Now().UnixNano()
	entries, own := uint64(0), uint64(0)
	for i := range batches {
		b := &batches[i]
		entries += uint64(b.Count)
		if int(b.Origin) == m.load.Self {
			own += uint64(b.Count)
		}
		for payload := range wire.Payloads(b).All() {
			m.times.Add(sentAt(payload, now), now)
			if m.load.Rate == 0 {
				break
			}
		}
	}
	m.entries.Add(entries)
	m.own.Add(own)
}

// stamp writes a time of sending, in nanoseconds, as one of the numbers that
// the score workload knows.
func stamp(payload []byte, at int64) {
	binary.LittleEndian.PutUint64(payload, uint64(at)%workload.NumberMax+1)
}

// sentAt returns the time that a payload was stamped with, not long before now.
func sentAt(payload []byte, now int64) int64 {
	k := binary.LittleEndian.Uint64(payload) - 1
	return now - int64((uint64(now)%workload.NumberMax+workload.NumberMax-k)%workload.NumberMax)
}
