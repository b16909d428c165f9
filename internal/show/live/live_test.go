package live

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/world/driver"
	"chatterbox/internal/world/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// watcher keeps what it is told.
type watcher struct {
	trace.Log
	passed time.Duration
}

func (w *watcher) Pass(at time.Duration) { w.passed = at }

func header() trace.Header { return trace.Header{Members: []string{"a", "b"}, Protocol: "delta"} }

// TestEventsOfAllComeInOrder sends those of two members through pipes, in
// virtual time.
func TestEventsOfAllComeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		now := func() time.Duration { return time.Since(began) }
		w := new(watcher)
		merger := NewMerger(now, w)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { merger.Run(ctx) })
		var senders []*Sender
		for range 2 {
			in, out := io.Pipe()
			merger.Read(in)
			senders = append(senders, NewSender(out, header(), now))
		}
		for i := range 50 {
			<-time.After(7 * time.Millisecond)
			senders[i%2].Tell(&trace.Event{Kind: trace.Phase, Member: 0, Note: "x"})
		}
		merger.Tell(&trace.Event{At: time.Millisecond, Kind: trace.Phase, Note: "late"})
		<-time.After(time.Second)
		synctest.Wait()
		if w.passed < time.Second || w.passed > now()-Behind {
			t.Errorf("at %v the watcher is at %v", now(), w.passed)
		}
		senders[0].Tell(&trace.Event{Kind: trace.Phase, Note: "last"})
		for _, s := range senders {
			s.Close()
		}
		for _, s := range senders {
			_ = s.out.(io.Closer).Close()
		}
		cancel()
		running.Wait()
		if len(w.Events) != 52 || w.Events[51].Note != "last" {
			t.Fatalf("%d events came", len(w.Events))
		}
		for i := 1; i < len(w.Events); i++ {
			if w.Events[i].At < w.Events[i-1].At {
				t.Errorf("time goes back from %v to %v", w.Events[i-1].At, w.Events[i].At)
			}
		}
	})
}

// stuck is a pipe that nobody reads.
type stuck struct{ gone chan struct{} }

func (s stuck) Write([]byte) (int, error) { <-s.gone; return 0, errors.New("gone") }

// TestAMemberNeverWaits lets a pipe stand still: what does not fit is left out.
func TestAMemberNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		pipe := stuck{make(chan struct{})}
		s := NewSender(pipe, header(), func() time.Duration { return time.Since(began) })
		for i := range 40 * waitingBytesMax / 1000 {
			if i%40 == 0 {
				<-time.After(sendEvery)
			}
			s.Tell(&trace.Event{Kind: trace.Phase, Note: string(bytes.Repeat([]byte("x"), 100))})
		}
		s.mu.Lock()
		s.thinner.Flush(time.Since(began))
		waiting := len(s.waiting)
		s.mu.Unlock()
		if waiting > waitingBytesMax+waitingBytesMax/8 || s.Unseen() == 0 {
			t.Errorf("%d bytes wait, %d events were left out", waiting, s.Unseen())
		}
		close(pipe.gone)
		s.Close()
	})
}

// TestWhatIsNoTraceEndsAPipe lets a member be killed in the middle of a line.
func TestWhatIsNoTraceEndsAPipe(t *testing.T) {
	w := new(watcher)
	merger := NewMerger(func() time.Duration { return 0 }, w)
	var text bytes.Buffer
	writer := trace.NewWriter(&text, header())
	writer.Tell(&trace.Event{Kind: trace.Phase, Note: "x"})
	if err := writer.Flush(); err != nil {
		t.Fatal(err)
	}
	text.WriteString(`{"at":1,"what":"pha`)
	merger.Read(io.NopCloser(&text))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	merger.Run(ctx)
	if len(w.Events) != 1 {
		t.Errorf("%d events came", len(w.Events))
	}
}

// world takes what a recorder passes on.
type world struct{}

func (world) Send(protocol.Envelope)   {}
func (world) Deliver([]protocol.Batch) {}
func (world) Reset(*protocol.Snapshot) {}

// BenchmarkTell tells what a saturated member of three tells of each batch: this is all that
// a page costs in a member's turn.
func BenchmarkTell(b *testing.B) {
	began := time.Now()
	now := func() time.Duration { return time.Since(began) }
	s := NewSender(io.Discard, trace.Header{Members: []string{"a", "b", "c"}}, now)
	defer s.Close()
	r := trace.NewRecorder(s, 0, 3).Light(s)
	parts := driver.Config{Sender: world{}, App: world{}}
	r.Begin(now, journal.Life{}, &parts)
	batches := []protocol.Batch{{Count: 8192, Seq: 1}}
	message := &protocol.Message{Batches: batches, Rows: []protocol.Row{{Marks: make([]protocol.StreamMark, 1)}}}
	status := &protocol.Status{Held: make(clock.Vector, 3), Known: []clock.Vector{make(clock.Vector, 3), make(clock.Vector, 3)}}
	at, sampled := now(), now()
	for n := uint64(1); b.Loop(); n++ {
		if n%64 == 0 {
			if at = now(); at-sampled > 100*time.Millisecond {
				r.Sample(status)
				sampled = at
			}
		}
		own := &batches[0]
		own.Origin, own.Seq, message.Number = member.ID(n%3), own.Last()+1, n
		message.From = own.Origin
		if own.Origin > 0 {
			r.Observe(protocol.Event{Kind: protocol.Receive, Now: at, Message: message}, protocol.Effects{})
		}
		r.Keep(protocol.Effects{Append: batches})
		_ = r.Sync()
		message.Rows[0].Marks[0] = protocol.StreamMark{Stream: own.Origin, Mark: clock.Mark{Have: own.Seq, Promise: clock.Time(n)}}
		for to := range member.ID(3) {
			if to > 0 && own.Origin == 0 || to == own.Origin && to > 0 {
				r.Send(protocol.Envelope{To: to, Message: message})
			}
		}
		r.Deliver(batches)
	}
}
