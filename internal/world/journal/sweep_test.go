package journal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/draw"
)

// history is what a member kept, and what it may rely on: what its journal
// acknowledged, and what a start gave back.
type history struct {
	batches []string // origin/seq@time, in the order of keeping
	bounds  []clock.Time
	said    []saying // with each batch
	kept    int      // batches and bounds kept so far
	relied  int      // batches and bounds that were relied on
	shown   saying   // the last that was relied on

	room func() // is called when the disk is full, before it is tried again; nil: the life ends then
}

// clone returns a copy, of which nothing is waited for any more.
func (h *history) clone() history {
	return history{
		batches: slices.Clone(h.batches), bounds: slices.Clone(h.bounds), said: slices.Clone(h.said),
		kept: h.kept, relied: h.relied, shown: h.shown,
	}
}

// batchesInAll is how many batches a history gets.
const batchesInAll = 9

// open begins a life of small segments, in which everything is kept to be read
// again, and judges what comes back. All of it settles at once.
func (h *history) open(fs FS) (*Journal, Life, error) {
	cfg := testConfig()
	cfg.SegmentBytesMax, cfg.Retain = 700, &Retain{}
	j, life, err := Open(fs, cfg)
	for h.room != nil && errors.Is(err, syscall.ENOSPC) {
		h.room()
		j, life, err = Open(fs, cfg)
	}
	if err != nil {
		return nil, life, unexpected(err)
	}
	if err := h.judge(life.Recovered); err != nil {
		return nil, life, fmt.Errorf("life %d: %w", life.Count, err)
	}
	if life.Recovered != nil {
		j.Order(life.Recovered.Batches)
	}
	return j, life, h.judgeArchive(j.Archive())
}

// judgeArchive reads all that has settled, by position: the n-th batch stands at
// position n.
func (h *history) judgeArchive(a *Archive) error {
	if a.Begin() != 0 || a.End() != uint64(h.relied) {
		return fmt.Errorf("positions from %d to %d can be read, expected are all %d", a.Begin()+1, a.End(), h.relied)
	}
	batches := make([]protocol.Batch, batchesInAll)
	for after := uint64(0); after < a.End(); {
		first, n, err := a.Read(after, batches)
		if err != nil || n == 0 || first != after+1 {
			return fmt.Errorf("behind position %d: %d batches from %d, %w", after, n, first, err)
		}
		for i := range n {
			b := &batches[i]
			if after++; b.Seq != after || fmt.Sprintf("1/%d@%d", b.Seq, b.Time) != h.batches[after-1] {
				return fmt.Errorf("position %d has batch %d@%s", after, b.Seq, b.Time)
			}
		}
	}
	return nil
}

// live is one life: it opens the journal, judges what comes back, and does a
// fixed piece of work until it is done or the disk fails: groups of different
// sizes, over several segments, with bounds and bases, all of which settles. It
// returns what is wrong.
func (h *history) live(tb testing.TB, fs FS) error {
	tb.Helper()
	j, life, err := h.open(fs)
	if j == nil || err != nil {
		return err
	}
	var unsettled []protocol.Batch
	s := sayingOf(life.Recovered)
	for next := uint64(h.kept) + 1; next <= batchesInAll; next++ {
		b := makeBatchAt(tb, next, clock.Time(100*next+life.Count), strings.Repeat("p", int(next%5)*20))
		h.batches = append(h.batches[:next-1], fmt.Sprintf("1/%d@%d", next, b.Time))
		h.bounds = append(h.bounds[:next-1], b.Time+100)
		h.kept = int(next)
		effects := protocol.Effects{Append: []protocol.Batch{b}, Bound: b.Time + 100}
		s = s.next(tb, next, &effects)
		h.said = append(h.said[:next-1], s)
		j.Keep(effects)
		unsettled = append(unsettled, b)
		if next%3 == 0 {
			continue
		}
		err := j.Sync()
		for h.room != nil && errors.Is(err, protocol.ErrNoRoom) {
			h.room()
			err = j.Sync()
		}
		if err != nil {
			return unexpected(err)
		}
		j.Order(unsettled)
		unsettled = nil
		h.shown = s
		if h.relied = int(next); next > 4 {
			j.Keep(protocol.Effects{Base: &protocol.Snapshot{Time: clock.Time(100 * (next - 4)), Have: []uint64{0, next - 4, 0}}})
		}
	}
	err = h.judgeArchive(j.Archive())
	if j.Close() == nil {
		h.relied, h.shown = h.kept, s
	}
	return err
}

// judge compares what is recovered with the history: all that was relied on,
// and nothing that is not a prefix of what was kept. From now on that is the
// history.
func (h *history) judge(r *protocol.Recovered) error {
	if r == nil {
		if h.relied > 0 {
			return fmt.Errorf("%d batches were relied on, nothing is recovered", h.relied)
		}
		h.kept = 0
		return nil
	}
	h.shown.view = max(h.shown.view, 1)
	if s := sayingOf(r); s.before(h.shown) || s != h.shown && !slices.Contains(h.said[:h.kept], s) {
		return fmt.Errorf("%+v is recovered of what was said of views; %+v was relied on, of %+v", s, h.shown, h.said)
	}
	h.shown = sayingOf(r)
	last := int(r.Base.Have[1])
	for i := range r.Batches {
		b := &r.Batches[i]
		last++
		if b.Seq != uint64(last) || last > h.kept || fmt.Sprintf("1/%d@%d", b.Seq, b.Time) != h.batches[last-1] {
			return fmt.Errorf("batch %d/%d@%s at place %d", b.Origin, b.Seq, b.Time, last)
		}
	}
	if last < h.relied || last > h.kept {
		return fmt.Errorf("%d batches recovered, %d were relied on and %d kept", last, h.relied, h.kept)
	}
	if h.relied > 0 && r.Bound < h.bounds[h.relied-1] {
		return fmt.Errorf("bound %s recovered, %s was relied on", r.Bound, h.bounds[h.relied-1])
	}
	h.relied, h.kept = last, last
	return nil
}

// errDisk is what a disk says that fails.
var errDisk = errors.New("input/output error")

// ending is how a life ends: in which operation of the disk, and then how much
// of what was not synced is left.
type ending struct {
	name string
	fail func(m *Memory, operation string) error // in the operation, and in all later ones
	then func(m *Memory)
}

// endings are all ways in which a life may end. What survives the loss of power
// is a part from the beginning or, with a hole before it, from the end.
func endings() []ending {
	ended := func(*Memory, string) error { return ErrEnded }
	power := func(survives func(n int) (int, int)) func(*Memory) {
		return func(m *Memory) { m.Crash(survives) }
	}
	all := []ending{
		{"killed", ended, (*Memory).Kill},
		{"killed in a write", partly, (*Memory).Kill},
		{"the sync fails, killed", func(*Memory, string) error { return errDisk }, (*Memory).Kill},
		{"the sync fails, power lost", func(*Memory, string) error { return errDisk }, power(nil)},
		{"power lost, nothing survives", ended, power(nil)},
		{"power lost, all survives", ended, power(func(n int) (int, int) { return 0, n })},
		{"power lost in a write", partly, power(func(n int) (int, int) { return 0, n })},
		{"power lost, half survives", ended, power(func(n int) (int, int) { return 0, n / 2 })},
		{"power lost, the second half survives", ended, power(func(n int) (int, int) { return n / 2, n })},
	}
	for _, survive := range []int{1, 9, 17, 40, 90} {
		all = append(all, ending{fmt.Sprintf("power lost, %d bytes survive", survive), ended, power(func(n int) (int, int) { return 0, min(n, survive) })})
	}
	return all
}

// partly lets a write fail in the middle.
func partly(m *Memory, operation string) error {
	if operation == "write" && m.BytesMax == 0 { // only what makes the file longer is cut short
		m.BytesMax = m.Size() + 30
		return nil
	}
	return ErrEnded
}

// arm lets the n-th operation from now on and all later ones fail, and
// returns whether that happened.
func (e *ending) arm(m *Memory, n int) (happened func() bool) {
	m.Fail = func(operation, _ string) error {
		if n--; n >= 0 {
			return nil
		}
		return e.fail(m, operation)
	}
	return func() bool { return n < 0 }
}

func (e *ending) happen(m *Memory) {
	m.Fail, m.BytesMax = nil, 0
	e.then(m)
}

// sweep lets a life end in each operation in each way, the next one in each
// operation of its recovery in each of some ways, and judges two more, between
// which power is lost. It returns how many such stories it tried, and the first
// thing that is wrong.
func sweep(tb testing.TB, first ending, again []ending, wrap func(*Memory) FS) (stories int, err error) {
	tb.Helper()
	for at := 0; ; at++ {
		story := func(second *ending, secondAt int) (more bool, err error) {
			var disk Memory
			var h history
			happened := first.arm(&disk, at)
			if err := h.live(tb, wrap(&disk)); err != nil {
				return false, err
			}
			if more = happened(); !more && second == nil {
				return false, nil
			}
			first.happen(&disk)
			if second != nil {
				happened = second.arm(&disk, secondAt)
				err = h.recover(wrap(&disk))
				more = happened()
				second.happen(&disk)
			}
			for range 2 {
				if err == nil {
					err = h.recover(wrap(&disk))
				}
				disk.Crash(nil)
			}
			if err == nil {
				err = h.live(tb, wrap(&disk))
			}
			stories++
			return more, err
		}
		more, err := story(nil, 0)
		if err != nil {
			return stories, fmt.Errorf("%s at operation %d: %w", first.name, at, err)
		}
		if !more {
			return stories, nil
		}
		for i := range again {
			for secondAt, more := 0, true; more; secondAt++ {
				if more, err = story(&again[i], secondAt); err != nil {
					return stories, fmt.Errorf("%s at operation %d, then %s at operation %d of the start: %w",
						first.name, at, again[i].name, secondAt, err)
				}
			}
		}
	}
}

// recover is a life that ends as soon as it has begun.
func (h *history) recover(fs FS) error {
	_, _, err := h.open(fs)
	return err
}

// unexpected returns the error of a start that did not come from how it ended.
func unexpected(err error) error {
	if errors.Is(err, ErrEnded) || errors.Is(err, errDisk) || errors.Is(err, syscall.ENOSPC) {
		return nil
	}
	return err
}

// storiesMin is how many stories the sweep tries at least.
const storiesMin = 10_000

// TestCrashAtEveryStepRecoversAnAcknowledgedPrefix ends a life in each
// operation of the disk in each way, and the next one in each operation of its
// recovery, in CI in three ways, else after the first of the endings.
func TestCrashAtEveryStepRecoversAnAcknowledgedPrefix(t *testing.T) {
	all := endings()
	again := []ending{all[0], all[4], all[7]}[:draw.Of(3, 1)]
	stories := 0
	for i, first := range all {
		if i == draw.Of(6, 1) {
			again = nil // from the sixth on they differ in how much of a write survives
		}
		n, err := sweep(t, first, again, func(m *Memory) FS { return m })
		if stories += n; err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d stories", stories)
	if least := draw.Of(storiesMin, storiesMin/7); stories < least {
		t.Errorf("%d stories, expected at least %d", stories, least)
	}
}

// trusting is a folder that takes what it has for durable: what is written
// over what is there already is not written again.
type trusting struct{ *Memory }

func (f trusting) Open(name string) (File, error) {
	file, err := f.Memory.Open(name)
	return trustingFile{file, name}, err
}

type trustingFile struct {
	File
	name string
}

func (f trustingFile) WriteAt(p []byte, at int64) (int, error) {
	if !strings.HasSuffix(f.name, segmentSuffix) {
		return f.File.WriteAt(p, at)
	}
	return len(p), nil
}

// TestSweepCatchesARecoveryThatTrustsTheCache shows that the sweep looks at the
// rule that what is not proven durable is written again.
func TestSweepCatchesARecoveryThatTrustsTheCache(t *testing.T) {
	for _, first := range endings() {
		if _, err := sweep(t, first, nil, func(m *Memory) FS { return trusting{m} }); err != nil {
			t.Log(err)
			return
		}
	}
	t.Error("not caught")
}
