package node

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/delta"
	"chatterbox/internal/core/protocol/lockstep"
	"chatterbox/internal/world/driver"
	"chatterbox/internal/world/journal"
	"chatterbox/internal/world/transport"
)

const (
	// inBufferBytes is the size of the buffers that are read into.
	inBufferBytes = 256 << 10
	// inBuffersKept is how many free ones are kept for the next reads.
	inBuffersKept = 32
)

// assemble puts the node together, from the inside out, up to the listening.
func (n *Node) assemble(ctx context.Context) (err error) {
	n.outbox = newOutbox(n.cfg.BatchBytesMax, n.cfg.BatchEntriesMax, n.cfg.Prepare, n.wakeUp, n.callerTurn)
	n.outbox.full, n.outbox.stopped = n.cfg.Full, n.DiskIsFull
	n.outbox.late = func() {
		n.cfg.Log.Warn("a broadcast waits for room", "for", patience, "why", n.WhyNoRoom())
	}
	n.started = time.Now()
	listener, err := n.listen(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, listener.Close())
		}
	}()
	life, err := n.openJournal(ctx)
	if err != nil {
		return err
	}
	n.identity, n.life = life.Identity, life.Count
	if n.journal != nil {
		n.outbox.out.Durable()
	}
	n.readBack(life.Recovered)
	if life.Recovered != nil && life.Recovered.Bound >= clock.Infinity {
		n.outbox.refuse(ErrStreamClosed, false) // by an earlier life, for all later ones
	}
	if n.journal == nil && n.cfg.View != nil {
		life.Recovered = &protocol.Recovered{View: n.cfg.View}
	}
	if life.Recovered != nil && life.Recovered.View != nil {
		n.publish(life.Recovered.View)
	}
	n.reducer = n.newReducer(life.Recovered)
	if life.Recovered != nil {
		life.Recovered.Visit = nil
	}
	if n.journal != nil && n.journal.Err() != nil {
		return errors.Join(n.journal.Err(), n.closeJournal())
	}
	if n.transport, err = transport.Start(n.transportConfig(listener)); err != nil {
		return errors.Join(err, n.closeJournal())
	}
	if v, _ := n.views.now(); v != nil {
		n.readdress(v)
	}
	n.newDriver(life)
	return nil
}

func (n *Node) listen(ctx context.Context) (net.Listener, error) {
	if n.cfg.Listener != nil {
		return n.cfg.Listener, nil
	}
	self := n.cfg.member(n.cfg.View, n.cfg.Self)
	host, port, err := member.ListenAddress(n.cfg.Listen, self)
	if err != nil {
		return nil, fmt.Errorf("node: Listen: %w", err)
	}
	listener, err := transport.Listen(ctx, transport.ListenConfig{Host: host, Port: port, Open: n.cfg.Insecure || n.cfg.TLS != nil})
	if err != nil {
		return nil, fmt.Errorf("node: member %s: %w", self.Name, err)
	}
	return listener, nil
}

// openJournal returns the life that this start continues, or a new one.
func (n *Node) openJournal(ctx context.Context) (journal.Life, error) {
	life := journal.Life{Identity: n.cfg.identity(), Count: 1}
	files := n.cfg.Files
	if n.cfg.DataDir != "" {
		var err error
		if files, err = journal.Folder(n.cfg.DataDir); err != nil {
			return life, err
		}
	}
	if files == nil {
		return life, nil
	}
	identity := life.Identity
	err := n.recover(ctx, files, func(wholeIndex bool) (err error) {
		n.journal, life, err = journal.Open(files, journal.Config{
			Cluster: n.cfg.Cluster, Self: n.cfg.Self, Members: len(n.cfg.Members), View: n.cfg.View, List: n.cfg.Members.Hash(),
			ListAsWritten: n.cfg.Members.HashAsWritten(), Identity: identity, Log: n.cfg.Log,
			Retain: n.cfg.Retain, Now: time.Now, BytesMax: n.cfg.DiskBytesMax, SegmentBytesMax: n.cfg.segmentBytes(),
			LoadBytesMax: n.cfg.MemoryBytesMax / 2, WholeIndex: wholeIndex,
		})
		return err
	})
	if err == nil && n.cfg.Opened != nil {
		n.cfg.Opened(n.journal)
	}
	return life, err
}

func (n *Node) closeJournal() error {
	if n.journal == nil {
		return nil
	}
	return n.journal.Close()
}

// readBack has the application begin where the recovered log does, and shown what
// is held of it while the reducer takes it up.
func (n *Node) readBack(recovered *protocol.Recovered) {
	if recovered == nil {
		return
	}
	if n.cfg.Reset != nil {
		n.cfg.Reset(&recovered.Base)
	}
	have := slices.Clone(recovered.Base.Have)
	recovered.Visit = func(b *protocol.Batch) {
		if n.cfg.Prepare != nil {
			b.Prepared = n.cfg.Prepare(b) // the journal keeps only bytes
		}
		if n.cfg.Held != nil && recovered.Counts(b) && b.Seq == have[b.Origin]+1 {
			have[b.Origin] = b.Last()
			n.cfg.Held([]protocol.Batch{*b})
		}
	}
}

func (n *Node) newReducer(recovered *protocol.Recovered) protocol.Reducer {
	durable := n.journal != nil
	if n.cfg.Protocol == Lockstep {
		return lockstep.New(lockstep.Config{
			Self: n.cfg.Self, Members: len(n.cfg.Members), Identity: n.identity, Life: n.life,
			Tick: n.cfg.Tick, Batch: n.cfg.BatchEntriesMax, MemoryBytesMax: n.cfg.MemoryBytesMax,
			Durable: durable, Recovered: recovered,
		})
	}
	return delta.New(delta.Config{
		Self: n.cfg.Self, Members: len(n.cfg.Members), Identity: n.identity, Life: n.life,
		Tick: n.cfg.Tick, DrainFor: n.cfg.DrainFor, MemoryBytesMax: n.cfg.MemoryBytesMax,
		TrimNoticeBytes: n.cfg.diskPart(delta.TrimNoticeByDefault),
		Durable:         durable, Changes: n.cfg.Changes, EvictAfter: n.cfg.EvictAfter, Observe: n.cfg.Observe, List: n.cfg.Members, Recovered: recovered, KeepPrepared: n.cfg.Fold != nil,
	})
}

func (n *Node) transportConfig(listener net.Listener) transport.Config {
	v, _ := n.views.now()
	cfg := transport.Config{
		Self: n.cfg.Self, List: n.cfg.Members, Joined: n.cfg.joined(v), Cluster: n.cfg.Cluster, Identity: n.identity, Life: n.life,
		Protocol: string(n.cfg.Protocol), Tick: n.cfg.Tick,
		Listener: listener, Dial: n.cfg.Dial, Lookup: n.cfg.Lookup, TLS: n.cfg.TLS, Handler: handler{n}, Log: n.cfg.Log,
		Pool:    protocol.NewPool(inBufferBytes, inBuffersKept),
		Prepare: n.cfg.Prepare, Impose: n.cfg.Impose, Seed: n.cfg.Random(),
		Meta: n.cfg.Meta, OnMeta: n.cfg.OnMeta, OnAsk: n.cfg.OnAsk, OnPart: n.cfg.OnPart, OnRead: n.cfg.OnRead,
	}
	if n.cfg.Changes {
		cfg.OnJoin = n.takeIn
	}
	return cfg
}

// newDriver makes the driver, with a watcher around it if there is one.
func (n *Node) newDriver(life journal.Life) {
	cfg := driver.Config{
		Reducer: n.reducer, Sender: n.transport, App: application{n}, Source: n.outbox, Tick: n.cfg.Tick,
		Prepare: n.cfg.Prepare, Installed: n.installed, Accepted: n.own.advance,
	}
	if n.cfg.Fold != nil {
		cfg.Prefix = &driver.Prefix{Fold: n.cfg.Fold}
		if life.Recovered != nil {
			cfg.Prefix.Begin(&life.Recovered.Base)
		}
	}
	if n.journal != nil {
		cfg.Journal = mending{n.journal, n}
	}
	if n.cfg.Held != nil {
		cfg.Observer = observer{n}
	}
	if n.cfg.Watcher != nil {
		cfg.Watched = true
		n.cfg.Watcher.Begin(n.now, life, &cfg)
	}
	n.driver = driver.New(cfg)
	appended, accepted := n.driver.Own()
	n.outbox.last, n.outbox.first = appended, n.cfg.MeetFirst
	n.heir = life.Recovered != nil && n.isHeir(life.Recovered.View)
	n.own.advance(appended, accepted)
}

// observer gathers what is held, to be passed on once it is durable.
type observer struct{ n *Node }

func (o observer) Observe(_ protocol.Event, effects protocol.Effects) {
	for i := range effects.Append {
		effects.Append[i].Buffer.Retain()
		o.n.held = append(o.n.held, effects.Append[i])
	}
}

// passHeld passes on what is held.
func (n *Node) passHeld() {
	if len(n.held) == 0 {
		return
	}
	n.cfg.Held(n.held)
	for i := range n.held {
		n.held[i].Buffer.Release()
	}
	clear(n.held)
	n.held = n.held[:0]
}

// application passes on to the functions of Config, which may be missing.
type application struct{ n *Node }

func (a application) Deliver(batches []protocol.Batch) {
	if deliver := a.n.cfg.Deliver; deliver != nil {
		deliver(batches)
	}
}

func (a application) Reset(snapshot *protocol.Snapshot) {
	if reset := a.n.cfg.Reset; reset != nil {
		reset(snapshot)
	}
}

// handler has what the transport's goroutines tell stepped at once, or passes
// it on to the loop and lets them wait as long as too much waits already.
type handler struct{ n *Node }

func (h handler) Up(peer member.ID, reliable bool) {
	h.pass(incoming{kind: protocol.Up, peer: peer, reliable: reliable})
}

func (h handler) Down(peer member.ID) { h.pass(incoming{kind: protocol.Down, peer: peer}) }

func (h handler) Receive(m *protocol.Message) {
	h.pass(incoming{kind: protocol.Receive, peer: m.From, message: m})
}

func (h handler) pass(in incoming) {
	if h.n.readerTurn(in) {
		return
	}
	h.n.queued.Add(1)
	select {
	case h.n.incoming <- in:
	case <-h.n.deaf: // the loop is gone: the collector takes what it was given
	}
}

func randomUint64() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])
}
