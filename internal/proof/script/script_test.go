package script

import (
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// parrot is the simplest thing that looks like a protocol: it sends and
// delivers what it gets and keeps no order.
type parrot struct {
	m       Member
	seq     uint64
	effects protocol.Effects
	held    []protocol.Batch
	greedy  bool // releases everything twice
}

func (p *parrot) Step(e protocol.Event) protocol.Effects {
	p.effects = protocol.Effects{}
	switch e.Kind {
	case protocol.Submit:
		p.seq++
		b := e.Batch
		b.Origin, b.Identity, b.Seq, b.Time = p.m.ID, p.m.Identity, p.seq, 1
		p.take([]protocol.Batch{b})
	case protocol.Receive:
		p.take(e.Message.Batches)
	case protocol.Close:
		p.effects.Release = p.held
		p.held = nil
		if p.greedy {
			p.held = p.effects.Release
		}
	default: // it has neither timers nor links
	}
	return p.effects
}

func (p *parrot) take(batches []protocol.Batch) {
	p.held = append(p.held, batches...)
	p.effects.Append, p.effects.Deliver = batches, batches
	if batches[0].Origin != p.m.ID {
		return
	}
	message := &protocol.Message{From: p.m.ID, Batches: batches}
	for k := range p.m.Members {
		if member.ID(k) != p.m.ID {
			p.effects.Send = append(p.effects.Send, protocol.Envelope{To: member.ID(k), Message: message})
		}
	}
}

func (p *parrot) Room() int               { return 1 }
func (p *parrot) Busy() bool              { return false }
func (p *parrot) Next() time.Duration     { return 0 }
func (p *parrot) Status() protocol.Status { return protocol.Status{Self: p.m.ID} }
func (p *parrot) Tentative() iter.Seq[*protocol.Batch] {
	return func(yield func(*protocol.Batch) bool) {
		for i := range p.held {
			if !yield(&p.held[i]) {
				return
			}
		}
	}
}

func newParrot(m Member) protocol.Reducer {
	p := &parrot{m: m, greedy: m.Options["greedy"] != ""}
	if m.Recovered != nil {
		p.held = m.Recovered.Batches
		p.seq = uint64(len(p.held))
	}
	return p
}

func TestScriptsPlay(t *testing.T) { Run(t, "testdata", newParrot) }

func testWorld(options map[string]string) *world {
	w := &world{build: newParrot, names: []string{"a", "b"}, hidden: make(map[string]bool)}
	w.base = Member{Datagram: true, Options: options}
	w.setUp(nil)
	return w
}

func (w *world) testSubmit(n *node) {
	b := protocol.Batch{Count: 1, Bytes: []byte("x")}
	w.lend(n, &b)
	w.step(n, protocol.Event{Kind: protocol.Submit, Batch: b})
}

func TestDoubleReleaseIsAFault(t *testing.T) {
	w := testWorld(map[string]string{"greedy": "yes"})
	a := w.nodes[0]
	w.testSubmit(a)
	w.step(a, protocol.Event{Kind: protocol.Close})
	if len(w.faults) != 0 {
		t.Fatalf("the first release is a fault: %v", w.faults)
	}
	w.step(a, protocol.Event{Kind: protocol.Close})
	if !slices.ContainsFunc(w.faults, func(s string) bool { return strings.Contains(s, "does not own") }) {
		t.Errorf("the second release went unnoticed; faults %v", w.faults)
	}
}

func TestDeliveryOutOfOrderIsAFault(t *testing.T) {
	w := testWorld(nil)
	a, b := w.nodes[0], w.nodes[1]
	w.testSubmit(b)
	w.testSubmit(a) // the same time, a lower origin
	w.receive(a, b, 1)
	if len(w.faults) != 1 || !strings.Contains(w.faults[0], "b delivered a/1@1 after b/1@1") {
		t.Errorf("faults are %v", w.faults)
	}
}

func TestWaitingMessagesDoNotShareMemory(t *testing.T) {
	w := testWorld(nil)
	a := w.nodes[0]
	b := protocol.Batch{Count: 1, Bytes: []byte("x")}
	w.lend(a, &b)
	w.step(a, protocol.Event{Kind: protocol.Submit, Batch: b})
	b.Bytes[0] = 'y'
	if got := string(w.links[0][1].waiting[0].Batches[0].Bytes); got != "x" {
		t.Errorf("the waiting message says %q after the sender changed its memory", got)
	}
}
