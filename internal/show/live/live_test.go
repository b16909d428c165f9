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

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
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

// BenchmarkTell tells what a saturated member tells of each batch: this is all
// that a page costs in a member's turn.
func BenchmarkTell(b *testing.B) {
	began := time.Now()
	now := func() time.Duration { return time.Since(began) }
	s := NewSender(io.Discard, trace.Header{Members: []string{"a", "b", "c"}}, now)
	defer s.Close()
	e := trace.Event{}
	for n := uint64(1); b.Loop(); n++ {
		kinds := [...]trace.Kind{trace.Append, trace.Send, trace.Push, trace.Publish, trace.Receive, trace.Deliver}
		if n%64 == 0 {
			e.At = now()
		}
		e.Kind, e.Stream, e.Seq, e.Number = kinds[n%uint64(len(kinds))], member.ID(n%3), n, n
		s.Tell(&e)
	}
}
