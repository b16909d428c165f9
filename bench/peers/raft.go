package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"chatterbox/internal/job/bench"
)

// raftPart is a member that runs etcd's raft library in one loop, its log in
// memory, and sends what it says over TCP. The messages of a burst become
// entries of one proposal; followers forward theirs to the leader.
type raftPart struct {
	w        *writer
	node     *raft.RawNode
	storage  *raft.MemoryStorage
	lines    []*raftLine // to peers, nil at the own place
	incoming chan *raftpb.Message
	proposed chan [][]byte
	led      chan struct{} // closed when there is a leader
	compacts uint64        // entries after which the log is cut
	keep     uint64        // entries that stay then
	cut      uint64        // up to here it was
	cancel   context.CancelFunc
	ended    chan error
}

const (
	raftTick        = 10 * time.Millisecond
	raftElection    = 50 // ticks: a busy machine must not elect anew
	raftHeartbeat   = 5  // ticks
	raftMessageMax  = 1 << 20
	raftInflightMax = 256
	raftQueue       = 1024
	raftPatience    = 20 * time.Second
	raftKeptBytes   = 32 << 20 // of the log, about, for members that lag
	raftEntryBytes  = 128      // what an entry takes besides its message, about
)

func openRaft(ctx context.Context, listener net.Listener, load bench.Load, w *writer) (system, error) {
	p := &raftPart{
		w: w, storage: raft.NewMemoryStorage(), lines: make([]*raftLine, len(load.Addrs)),
		incoming: make(chan *raftpb.Message, raftQueue), proposed: make(chan [][]byte, raftQueue),
		led: make(chan struct{}), ended: make(chan error, 1),
	}
	p.keep = raftKeptBytes / uint64(raftEntryBytes+w.tuning.entries*entryBytes)
	p.compacts = p.keep
	if err := p.start(load); err != nil {
		return nil, err
	}
	ctx, p.cancel = context.WithCancel(ctx)
	if err := p.join(ctx, listener, load); err != nil {
		p.cancel()
		return nil, err
	}
	go func() { p.ended <- p.run(ctx, load.Self == 0) }()
	select {
	case <-p.led:
		return p, nil
	case <-time.After(raftPatience):
		return nil, errors.Join(errors.New("raft: no leader"), p.Close())
	}
}

// start makes the state machine, with all members from the beginning.
func (p *raftPart) start(load bench.Load) (err error) {
	peers := make([]raft.Peer, len(load.Addrs))
	for i := range peers {
		peers[i].ID = uint64(i + 1)
	}
	p.node, err = raft.NewRawNode(&raft.Config{
		ID: uint64(load.Self + 1), ElectionTick: raftElection, HeartbeatTick: raftHeartbeat, Storage: p.storage,
		MaxSizePerMsg: raftMessageMax, MaxInflightMsgs: raftInflightMax, PreVote: true, CheckQuorum: true,
		Logger: &raft.DefaultLogger{Logger: log.New(io.Discard, "", 0)},
	})
	if err != nil {
		return fmt.Errorf("raft: %w", err)
	}
	return p.node.Bootstrap(peers)
}

// run is the loop that owns the state machine.
func (p *raftPart) run(ctx context.Context, campaigns bool) error {
	ticker := time.NewTicker(raftTick)
	defer ticker.Stop()
	for {
		select {
		case m := <-p.incoming:
			_ = p.node.Step(m) // an old or stray message is no error
		case messages := <-p.proposed:
			if err := p.propose(messages); err != nil {
				return err
			}
		case <-ticker.C:
			p.node.Tick()
			if campaigns && p.node.BasicStatus().Lead == raft.None {
				_ = p.node.Campaign() // refused until all is set up; tried again
			}
		case <-ctx.Done():
			return nil
		}
		p.stepWhatWaits()
		for p.node.HasReady() {
			if err := p.carryOut(p.node.Ready()); err != nil {
				return err
			}
		}
	}
}

// stepWhatWaits gathers messages, so that more is carried out at once.
func (p *raftPart) stepWhatWaits() {
	for range raftQueue {
		select {
		case m := <-p.incoming:
			_ = p.node.Step(m) // as above
		default:
			return
		}
	}
}

// propose hands a burst to the leader as one message of many entries.
func (p *raftPart) propose(messages [][]byte) error {
	entries := make([]*raftpb.Entry, len(messages))
	for i, message := range messages {
		entries[i] = &raftpb.Entry{Data: message}
	}
	status := p.node.BasicStatus()
	if err := p.node.Step(&raftpb.Message{Type: raftpb.MsgProp.Enum(), From: &status.ID, Entries: entries}); err != nil {
		return fmt.Errorf("raft: propose: %w", err)
	}
	return nil
}

// carryOut does what the state machine wants: keep, send, deliver.
func (p *raftPart) carryOut(ready raft.Ready) error {
	if !raft.IsEmptyHardState(ready.HardState) {
		_ = p.storage.SetHardState(ready.HardState) // in memory
	}
	if err := p.storage.Append(ready.Entries); err != nil {
		return fmt.Errorf("raft: append: %w", err)
	}
	for _, m := range ready.Messages {
		p.lines[m.GetTo()-1].send(m)
	}
	if ready.SoftState != nil && ready.SoftState.Lead != raft.None {
		select {
		case <-p.led:
		default:
			close(p.led)
		}
	}
	for i := range ready.CommittedEntries {
		if err := p.apply(ready.CommittedEntries[i]); err != nil {
			return err
		}
	}
	p.node.Advance(ready)
	if n := len(ready.CommittedEntries); n > 0 {
		return p.compact(ready.CommittedEntries[n-1].GetIndex())
	}
	return nil
}

func (p *raftPart) apply(entry *raftpb.Entry) error {
	switch entry.GetType() {
	case raftpb.EntryNormal:
		if len(entry.Data) >= entryBytes {
			p.w.deliver(entry.Data)
		}
	case raftpb.EntryConfChange:
		change := new(raftpb.ConfChange)
		if err := proto.Unmarshal(entry.Data, change); err != nil {
			return fmt.Errorf("raft: %w", err)
		}
		p.node.ApplyConfChange(change)
	}
	return nil
}

// compact forgets what is applied, but for the newest and what a follower
// still lacks.
func (p *raftPart) compact(applied uint64) error {
	if applied < p.cut+p.compacts+p.keep {
		return nil
	}
	to := applied - p.keep
	for _, progress := range p.node.Status().Progress {
		to = min(to, progress.Match)
	}
	if to <= p.cut {
		return nil
	}
	p.cut = to
	if err := p.storage.Compact(to); err != nil {
		return fmt.Errorf("raft: compact: %w", err)
	}
	return nil
}

// Publish hands a burst to the loop.
func (p *raftPart) Publish(ctx context.Context, messages [][]byte) error {
	select {
	case p.proposed <- messages:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends the loop and the connections.
func (p *raftPart) Close() error {
	p.cancel()
	err := <-p.ended
	for _, line := range p.lines {
		if line != nil {
			line.close()
		}
	}
	return err
}
