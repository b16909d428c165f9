package chatterbox

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"chatterbox/clock"
	"chatterbox/journal"
	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/protocol/delta"
	"chatterbox/protocol/lockstep"
	"chatterbox/replica"
	"chatterbox/trace"
	"chatterbox/transport"
)

const (
	// inBufferBytes is the size of the buffers that are read into.
	inBufferBytes = 256 << 10
	// inBuffersKept is how many free ones are kept for the next reads.
	inBuffersKept = 32
)

// assemble puts the node together, from the inside out, up to the listening.
func (n *Node) assemble(ctx context.Context) (err error) {
	n.outbox = newOutbox(n.cfg.BatchBytesMax, n.cfg.BatchEntriesMax, n.cfg.Summarize, n.wakeUp, n.callerTurn)
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
	life, err := n.openJournal()
	if err != nil {
		return err
	}
	n.identity, n.life = life.Identity, life.Count
	if err := n.summarizeAgain(life.Recovered); err != nil {
		return errors.Join(err, n.closeJournal())
	}
	if life.Recovered != nil && life.Recovered.Bound >= clock.Infinity {
		n.outbox.refuse(ErrStreamClosed) // by an earlier life, for all later ones
	}
	n.reducer = n.newReducer(life.Recovered)
	if n.transport, err = n.startTransport(listener); err != nil {
		return errors.Join(err, n.closeJournal())
	}
	n.newReplica(life)
	return nil
}

func (n *Node) listen(ctx context.Context) (net.Listener, error) {
	if n.cfg.Listener != nil {
		return n.cfg.Listener, nil
	}
	self := n.cfg.Members[n.cfg.Self]
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", self.Address())
	if err != nil {
		return nil, fmt.Errorf("chatterbox: listen as member %s: %w", self.Name, err)
	}
	return listener, nil
}

// openJournal gives the life that this start continues, or a new one.
func (n *Node) openJournal() (journal.Life, error) {
	life := journal.Life{Identity: n.newIdentity(), Count: 1}
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
	var err error
	n.journal, life, err = journal.Open(files, journal.Config{
		Cluster: n.cfg.Cluster, Self: n.cfg.Self, Members: len(n.cfg.Members), List: n.cfg.Members.Hash(),
		Identity: life.Identity, Log: n.cfg.Log,
	})
	return life, err
}

func (n *Node) closeJournal() error {
	if n.journal == nil {
		return nil
	}
	return n.journal.Close()
}

// newIdentity draws an identity, which is never 0.
func (n *Node) newIdentity() member.Identity {
	for {
		if identity := member.Identity(n.cfg.Random()); identity != 0 {
			return identity
		}
	}
}

// summarizeAgain makes the summaries of recovered batches, which the journal
// does not keep.
func (n *Node) summarizeAgain(recovered *protocol.Recovered) error {
	if recovered == nil || n.cfg.Summarize == nil {
		return nil
	}
	for i := range recovered.Batches {
		if err := n.cfg.Summarize(&recovered.Batches[i]); err != nil {
			return fmt.Errorf("chatterbox: the journal holds entries of another application: %w", err)
		}
	}
	return nil
}

func (n *Node) newReducer(recovered *protocol.Recovered) protocol.Reducer {
	durable := n.journal != nil
	if n.cfg.Protocol == Lockstep {
		return lockstep.New(lockstep.Config{
			Self: n.cfg.Self, Members: len(n.cfg.Members), Identity: n.identity, Life: n.life,
			Tick: n.cfg.Tick, Batch: n.cfg.BatchEntriesMax, MemoryBytesMax: n.cfg.MemoryBytesMax,
			Durable: durable, Recovered: recovered, Fold: n.cfg.Fold,
		})
	}
	return delta.New(delta.Config{
		Self: n.cfg.Self, Members: len(n.cfg.Members), Identity: n.identity, Life: n.life,
		Tick: n.cfg.Tick, DrainFor: n.cfg.DrainFor, MemoryBytesMax: n.cfg.MemoryBytesMax,
		Durable: durable, Recovered: recovered, Fold: n.cfg.Fold,
	})
}

func (n *Node) startTransport(listener net.Listener) (*transport.Transport, error) {
	return transport.Start(transport.Config{
		Self: n.cfg.Self, List: n.cfg.Members, Cluster: n.cfg.Cluster, Identity: n.identity, Life: n.life,
		Listener: listener, Dial: n.cfg.Dial, Handler: handler{n}, Log: n.cfg.Log,
		Pool:      protocol.NewPool(inBufferBytes, inBuffersKept),
		Summarize: n.cfg.Summarize, Impose: n.cfg.Impose, Seed: n.cfg.Random(),
		Phases: n.cfg.Phases, OnPhases: n.cfg.OnPhases,
	})
}

// newReplica makes the replica, with a recorder around it if there is a trace,
// and brings the application to where the recovered log begins.
func (n *Node) newReplica(life journal.Life) {
	var kept replica.Journal
	if n.journal != nil {
		kept = n.journal
	}
	if n.cfg.Trace == nil {
		n.replica = replica.New(n.reducer, kept, n.transport, application{n}, nil)
	} else {
		n.recorder = trace.NewRecorder(n.cfg.Trace, n.now, n.cfg.Self, len(n.cfg.Members), kept, n.transport, application{n})
		n.recorder.Start(n.identity, n.life, life.Recovered)
		n.replica = replica.New(n.reducer, n.recorder, n.recorder, n.recorder, n.recorder)
	}
	if life.Recovered != nil && n.cfg.Reset != nil {
		n.cfg.Reset(&life.Recovered.Base)
	}
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
