package history

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// stage is a log with a clock that tests move.
type stage struct {
	*Log
	now  time.Duration
	seqs [3]uint64
	time clock.Time
}

func newStage(config Config) *stage {
	s := &stage{}
	config.Members, config.Now = 3, func() time.Duration { return s.now }
	s.Log = NewLog(config)
	return s
}

// settle settles a batch of so many entries and bytes.
func (s *stage) settle(origin member.ID, entries uint32, bytes int) protocol.Batch {
	s.time++
	b := protocol.Batch{Origin: origin, Seq: s.seqs[origin] + 1, Count: entries, Time: s.time, Bytes: make([]byte, bytes)}
	s.seqs[origin] += uint64(entries)
	s.Settle([]protocol.Batch{b})
	return b
}

// positions describes what can be read after a position.
func (s *stage) positions(after uint64) string {
	var dst [8]Batch
	n, more, err := s.Read(after, dst[:])
	if err != nil {
		return err.Error()
	}
	text := ""
	for i := range dst[:n] {
		text += fmt.Sprintf("%d-%d ", dst[i].First, dst[i].LastPosition())
		dst[i].Buffer.Release()
	}
	if more != nil {
		text += "wait"
	}
	return text
}

func (s *stage) expect(t *testing.T, after uint64, want string) {
	t.Helper()
	if got := s.positions(after); got != want {
		t.Errorf("after %d: %q, want %q", after, got, want)
	}
}

func TestBatchesAreReadByPosition(t *testing.T) {
	s := newStage(Config{BytesMax: 1 << 20})
	s.expect(t, 0, "wait")
	s.settle(0, 3, 100)
	s.settle(1, 1, 100)
	s.settle(0, 2, 100)
	s.expect(t, 0, "1-3 4-4 5-6 ")
	s.expect(t, 2, "1-3 4-4 5-6 ")
	s.expect(t, 3, "4-4 5-6 ")
	s.expect(t, 6, "wait")
	for seq, want := range []uint64{1: 1, 3: 3, 4: 5, 5: 6} {
		if got, _, err := s.Place(0, uint64(seq)); seq != 2 && seq != 0 && (got != want || err != nil) {
			t.Errorf("entry %d is at %d, %v; want %d", seq, got, err, want)
		}
	}
	if _, more, err := s.Place(2, 1); more == nil || err != nil {
		t.Errorf("what has not settled: %v", err)
	}
}

func TestNewestBytesAreKept(t *testing.T) {
	s := newStage(Config{BytesMax: 250})
	for range 4 {
		s.settle(0, 1, 100)
	}
	s.expect(t, 2, "3-3 4-4 ")
	s.expect(t, 1, "history: compacted: position 2, the first that is kept here is 3: what is before it was let go, or settled while this member was away or before it came; others, or a backup, may have it")
	if e := s.Extent(); e.Oldest != 3 || e.Settled != 4 || e.Bytes != 200 || !slices.Equal(e.Have, []uint64{4, 0, 0}) {
		t.Errorf("%+v", e)
	}
	if position, _, err := s.Place(0, 1); position != 1 || err != nil {
		t.Errorf("the place of what is gone: %d, %v", position, err)
	}
}

func TestOldEntriesGo(t *testing.T) {
	s := newStage(Config{BytesMax: 1 << 20, AgeMax: time.Minute})
	s.settle(0, 1, 100)
	s.now = time.Minute
	s.settle(0, 1, 100)
	s.expect(t, 0, "1-1 2-2 ")
	s.now++
	s.expect(t, 1, "2-2 ")
	if _, _, err := s.Read(0, make([]Batch, 1)); !errors.Is(err, ErrCompacted) {
		t.Errorf("error %v", err)
	}
}

func TestHeldEntriesStayUntilTheyAreCompacted(t *testing.T) {
	s := newStage(Config{BytesMax: 150, AgeMax: time.Second, Hold: true})
	s.settle(0, 2, 100)
	if s.Full() != nil {
		t.Error("full too early")
	}
	s.settle(0, 2, 100)
	full := s.Full()
	if full == nil {
		t.Fatal("not full")
	}
	s.now = time.Hour
	s.Compact(1)
	s.expect(t, 0, "1-2 3-4 ")
	s.Compact(2)
	select {
	case <-full:
	default:
		t.Error("nobody is told that there is room")
	}
	if s.expect(t, 2, "3-4 "); s.Full() != nil {
		t.Error("still full")
	}
}

func TestCompactNeverReachesBeyondWhatHasSettled(t *testing.T) {
	s := newStage(Config{BytesMax: 1 << 20})
	s.settle(0, 1, 100)
	s.Compact(100)
	s.settle(0, 1, 100)
	s.expect(t, 1, "2-2 ")
}

func TestWhatIsReadStaysWhileItIsUsed(t *testing.T) {
	s := newStage(Config{BytesMax: 1000})
	b := s.settle(0, 1, 100)
	copy(b.Bytes, "changed by its owner")
	var dst [1]Batch
	if n, _, err := s.Read(0, dst[:]); n != 1 || err != nil || dst[0].Bytes[0] != 0 {
		t.Fatalf("%d, %v, %q", n, err, dst[0].Bytes)
	}
	for i := range chunksKept * chunkBytesMax / 500 {
		b := protocol.Batch{Seq: uint64(i) + 2, Count: 1, Time: 9, Bytes: []byte(fmt.Sprintf("%0500d", 7))}
		s.Settle([]protocol.Batch{b})
	}
	for _, c := range dst[0].Bytes {
		if c != 0 {
			t.Fatal("the memory was used for something else while a reader had it")
		}
	}
	dst[0].Buffer.Release()
}

func TestWatchersSeeEachBatchOnceBeforeItSettles(t *testing.T) {
	s := newStage(Config{BytesMax: 1 << 20})
	held := []protocol.Batch{{Origin: 1, Seq: 1, Count: 1, Bytes: make([]byte, 50)}, {Origin: 0, Seq: 1, Count: 1, Bytes: make([]byte, 50)}}
	s.Held(held)
	var dst [8]Batch
	var seen, late Seen
	n, _, err := s.Watch(0, &seen, dst[:])
	if n != 2 || err != nil || dst[0].Origin != 1 || dst[0].First != 0 {
		t.Fatalf("%d batches, %v, %+v", n, err, dst[0])
	}
	if n, more, _ := s.Watch(0, &seen, dst[:]); n != 0 || more == nil {
		t.Errorf("%d batches a second time", n)
	}
	s.Settle(held[1:])
	if n, _, _ := s.Watch(0, &seen, dst[:]); n != 1 || dst[0].First != 1 || dst[0].Origin != 0 {
		t.Errorf("%d settled, %+v", n, dst[0])
	}
	if n, _, _ := s.Watch(1, &late, dst[:]); n != 1 || dst[0].Origin != 1 {
		t.Errorf("a late watcher sees %d, %+v", n, dst[0])
	}
}

func TestLogCanBeginAfterEntriesThatAreGone(t *testing.T) {
	s := newStage(Config{BytesMax: 1 << 20})
	s.Begin([]uint64{4, 0, 3})
	s.seqs = [3]uint64{4, 0, 3}
	s.settle(2, 2, 100)
	s.expect(t, 7, "8-9 ")
	if _, _, err := s.Place(0, 4); !errors.Is(err, ErrUnknown) {
		t.Errorf("error %v", err)
	}
	if position, _, err := s.Place(2, 5); position != 9 || err != nil {
		t.Errorf("at %d, %v", position, err)
	}
}

func TestOnlyTheLastPlacesAreRemembered(t *testing.T) {
	s := newStage(Config{BytesMax: 100})
	for range placesMax + 5 {
		s.settle(1, 1, 50)
	}
	if _, _, err := s.Place(1, 5); !errors.Is(err, ErrUnknown) {
		t.Errorf("error %v", err)
	}
	if position, _, err := s.Place(1, 6); position != 6 || err != nil {
		t.Errorf("at %d, %v", position, err)
	}
}

func TestReadersOfAClosedLogReadOnToItsEnd(t *testing.T) {
	s := newStage(Config{BytesMax: 1 << 20})
	s.settle(0, 1, 100)
	over := errors.New("over")
	s.Close(over)
	s.expect(t, 0, "1-1 ")
	if _, _, err := s.Read(1, make([]Batch, 1)); !errors.Is(err, over) {
		t.Errorf("error %v", err)
	}
}

func TestSettlingAllocatesLittle(t *testing.T) {
	s := newStage(Config{BytesMax: 1 << 20})
	b := []protocol.Batch{{Count: 2048, Bytes: make([]byte, 16<<10)}}
	for range 1000 {
		s.Settle(b)
	}
	if allocations := testing.AllocsPerRun(1000, func() { s.Settle(b) }); allocations > 1 {
		t.Errorf("%v allocations for a batch of 2,048 entries", allocations)
	}
}

// TestWhatIsCutOrStoodForIsNotWaitedFor holds three batches of a member: a snapshot
// stands for the first one, and the stream is cut after the second.
func TestWhatIsCutOrStoodForIsNotWaitedFor(t *testing.T) {
	s := newStage(Config{BytesMax: 1 << 20})
	var held []protocol.Batch
	for seq := uint64(1); seq <= 3; seq++ {
		held = append(held, protocol.Batch{Origin: 1, Seq: seq, Count: 1, Time: clock.Time(10 * seq), Bytes: make([]byte, 8)})
	}
	s.Held(held)
	s.now = time.Second
	waits := func(want clock.Time) {
		t.Helper()
		if first, _ := s.Waiting(); first != want {
			t.Errorf("waited for is what came at %d, want %d", first, want)
		}
	}
	waits(10)
	s.Begin([]uint64{0, 1, 0})
	waits(20)
	s.Follow(ending(2, 1, 2))
	var seen Seen
	var dst [8]Batch
	if n, _, err := s.Watch(1, &seen, dst[:]); n != 1 || dst[0].Seq != 2 || err != nil {
		t.Errorf("%d are seen: %v", n, err)
	}
	s.Follow(ending(3, 1, 1))
	waits(0)
	if _, _, err := s.Place(1, 2); !errors.Is(err, ErrCut) {
		t.Errorf("who asks for what was cut is told %v", err)
	}
}

// ending returns a view in which a stream has ended after so many entries.
func ending(number uint64, origin member.ID, end uint64) *member.View {
	v := &member.View{Number: number, Places: make([]member.Place, origin+1)}
	for i := range v.Places {
		v.Places[i].Role = member.Writer
	}
	v.Places[origin].Role, v.Places[origin].Base = member.Gone, end
	return v
}
