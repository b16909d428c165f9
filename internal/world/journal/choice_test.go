package journal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// saying is what a member has said of views: which one counts, and up to which
// round it gave its promise for the next one.
type saying struct{ view, round uint64 }

func (s saying) before(other saying) bool {
	return s.view < other.view || s.view == other.view && s.round < other.round
}

func sayingOf(r *protocol.Recovered) saying {
	s := saying{view: 1}
	if r != nil && r.View != nil {
		s.view = r.View.Number
	}
	if r != nil && r.Voted != nil {
		s.round = r.Voted.Vote.Promised.Round
	}
	return s
}

// next puts into effects what is said with batch n: with each third one a
// promise, with the fifth the view that was decided.
func (s saying) next(tb testing.TB, n uint64, effects *protocol.Effects) saying {
	tb.Helper()
	switch {
	case n == 5:
		effects.View = viewOf(tb, s.view+1)
		return saying{view: s.view + 1}
	case n%3 == 1:
		effects.Vote = voteOf(tb, s.view, n)
		return saying{s.view, n}
	}
	return s
}

// founders returns the first view of the members of testConfig, whose identities
// are those of makeBatch.
func founders() *member.View {
	return member.Founding(member.Lettered(members), member.Binding{1, 2, 3})
}

// changed returns the next view by a change.
func changed(tb testing.TB, v *member.View, c member.Change, base ...uint64) *member.View {
	tb.Helper()
	next, err := v.Successor(c, member.Grounds{Proposer: 1, Base: base})
	if err != nil {
		tb.Fatal(err)
	}
	return next
}

// viewOf returns the view of a number that always has the same members.
func viewOf(tb testing.TB, number uint64) *member.View {
	tb.Helper()
	v := founders()
	for v.Number < number {
		v = changed(tb, v, member.Change{Kind: member.Renew})
	}
	return v
}

func voteOf(tb testing.TB, view, round uint64) *protocol.VoteRecord {
	tb.Helper()
	return &protocol.VoteRecord{Number: view, Lineage: 100 + view, Vote: protocol.Vote{
		Identity: 2, Promised: protocol.Ballot{Round: round, Place: 1}, Have: []uint64{round, 0, 0}, Clock: 7,
	}}
}

// TestVotesAndViewsComeBack keeps a vote with what it accepted through many
// segments; the view that follows ends it.
func TestVotesAndViewsComeBack(t *testing.T) {
	var disk Memory
	cfg := testConfig()
	cfg.SegmentBytesMax = 1500
	j, _ := open(t, &disk, cfg)
	second := viewOf(t, 2)
	vote := voteOf(t, 1, 3)
	vote.Vote.Accepted, vote.View = vote.Vote.Promised, second
	j.Keep(protocol.Effects{Vote: voteOf(t, 1, 2)})
	j.Keep(protocol.Effects{Vote: vote})
	for n := uint64(1); n <= 100; n++ {
		j.Keep(protocol.Effects{
			Append: []protocol.Batch{makeBatch(t, 0, n, strings.Repeat("p", 200))},
			Base:   &protocol.Snapshot{Time: 1, Have: []uint64{n - 1, 0, 0}},
		})
		synced(t, j)
	}
	if len(j.segments) > 3 || j.open().number < 20 {
		t.Fatalf("%d segments up to %d", len(j.segments), j.open().number)
	}
	disk.Crash(nil)
	j, life := open(t, &disk, cfg)
	if life.Recovered.View != nil {
		t.Errorf("view %d", life.Recovered.View.Number)
	}
	if diff := cmp.Diff(vote, life.Recovered.Voted, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	j.Keep(protocol.Effects{View: second})
	synced(t, j)
	for range 2 {
		disk.Crash(nil)
		_, life = open(t, &disk, cfg)
		if r := life.Recovered; r.View == nil || !r.View.Same(second) || r.Voted != nil {
			t.Fatalf("view %+v, vote %+v", r.View, r.Voted)
		}
	}
}

// TestAPromiseCostsASync has a vote alone made durable, although nothing was
// added to any stream.
func TestAPromiseCostsASync(t *testing.T) {
	for _, effects := range []protocol.Effects{{Vote: voteOf(t, 1, 1)}, {View: viewOf(t, 2)}} {
		var disk Memory
		j, _ := open(t, &disk, testConfig())
		j.Keep(effects)
		synced(t, j)
		disk.Crash(nil)
		_, life := open(t, &disk, testConfig())
		if (effects.Vote != nil) != (life.Recovered.Voted != nil) || (effects.View != nil) != (life.Recovered.View != nil) {
			t.Errorf("%+v was kept, recovered are vote %+v, view %+v", effects, life.Recovered.Voted, life.Recovered.View)
		}
	}
}

// TestWhatLiesBeyondACutIsPassedOver keeps five batches of c, of which the others
// agree on three; c itself goes on with all.
func TestWhatLiesBeyondACutIsPassedOver(t *testing.T) {
	payload := strings.Repeat("p", 100)
	for _, c := range []struct {
		self       member.ID
		want, left string
	}{{1, "3", "[]"}, {2, "5", fmt.Sprintf("[2/4@40 %s 2/5@50 %[1]s]", payload)}} {
		var disk Memory
		cfg := testConfig()
		cfg.SegmentBytesMax, cfg.Self, cfg.Identity = 700, c.self, member.Identity(c.self)+1
		j, _ := open(t, &disk, cfg)
		for n := uint64(1); n <= 5; n++ {
			j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(t, 2, n, payload)}})
			synced(t, j)
		}
		v := changed(t, founders(), member.Change{Kind: member.Evict, Identity: 3}, 0, 0, 3)
		j.Keep(protocol.Effects{View: v})
		synced(t, j)
		for range 2 { // read from the end of the segment, then from a head
			disk.Crash(nil)
			j, life := open(t, &disk, cfg)
			if last := life.Recovered.Batches[len(life.Recovered.Batches)-1]; fmt.Sprint(last.Last()) != c.want {
				t.Errorf("member %d recovers %v", c.self, places(life.Recovered))
			}
			closed(t, j)
		}
		j, _ = open(t, &disk, cfg)
		j.Keep(protocol.Effects{Base: &protocol.Snapshot{Time: 30, Have: []uint64{0, 0, 3}}, Bound: 50})
		synced(t, j)
		if forgot := len(j.segments) == 1; forgot != (c.self == 1) {
			t.Errorf("member %d: %d segments are left once what is in the order is covered", c.self, len(j.segments))
		}
		disk.Crash(nil)
		if _, life := open(t, &disk, cfg); fmt.Sprint(places(life.Recovered)) != c.left {
			t.Errorf("member %d recovers %v in the end", c.self, places(life.Recovered))
		}
	}
}

// TestANewTenantGoesOnWithTheStream seats d in the stead of c, of whose five batches three
// are in the order, and gives a fourth place to e. Both begin to write; what c wrote beyond
// its cut stays in its own folder, and can be printed there.
func TestANewTenantGoesOnWithTheStream(t *testing.T) {
	out := changed(t, founders(), member.Change{Kind: member.Evict, Identity: 3}, 0, 0, 3)
	v := changed(t, out, member.Change{Kind: member.Admit, Identity: 40, Name: "c", Address: "h:4"})
	v = changed(t, v, member.Change{Kind: member.Admit, Identity: 50, Name: "e", Address: "h:5"})
	v = changed(t, v, member.Change{Kind: member.Rejoin, Identity: 40})
	v = changed(t, v, member.Change{Kind: member.Rejoin, Identity: 50})
	next := []protocol.Batch{
		sealed(t, "d", protocol.Batch{Origin: 2, Identity: v.Places[2].Pen(), Seq: 4, Time: 60}),
		sealed(t, "e", protocol.Batch{Origin: 3, Identity: v.Places[3].Pen(), Seq: 1, Time: 61}),
		sealed(t, "d", protocol.Batch{Origin: 2, Identity: v.Places[2].Pen(), Seq: 5, Time: 62}),
		sealed(t, "d", protocol.Batch{Origin: 2, Identity: v.Places[2].Pen(), Seq: 6, Time: 63}),
	}
	for _, self := range []member.ID{1, 2} {
		var disk Memory
		cfg := testConfig()
		cfg.Self, cfg.Identity = self, member.Identity(self)+1
		j, _ := open(t, &disk, cfg)
		for n := uint64(1); n <= 5; n++ {
			j.Keep(protocol.Effects{Binding: member.Binding{1, 2, 3}, Agreed: true, Append: []protocol.Batch{makeBatch(t, 2, n, "c")}})
		}
		j.Keep(protocol.Effects{View: v})
		j.Keep(protocol.Effects{Append: next})
		synced(t, j)
		want := []string{"2/1@10 c", "2/2@20 c", "2/3@30 c", "2/4@60 d", "3/1@61 e", "2/5@62 d", "2/6@63 d"}
		if self == 2 {
			want = slices.Insert(want, 3, "2/4@40 c", "2/5@50 c")
		}
		for range 2 {
			disk.Crash(nil)
			j, life := open(t, &disk, cfg)
			if diff := cmp.Diff(want, places(life.Recovered)); diff != "" {
				t.Error(diff)
			}
			closed(t, j)
		}
		cfg.SegmentBytesMax = 1
		j, _ = open(t, &disk, cfg)
		for n := uint64(1); n <= 3; n++ { // so that no segment is in use that has anything of c
			j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(t, 0, n, "a")}})
			synced(t, j)
		}
		j.Keep(protocol.Effects{Base: &protocol.Snapshot{Time: 63, Have: []uint64{3, 0, 6, 1}}, Bound: 70})
		synced(t, j)
		disk.Crash(nil)
		j, life := open(t, &disk, cfg)
		if len(life.Recovered.Batches) != 0 || j.state.position() != 10 {
			t.Errorf("member %d recovers %v at position %d", self, places(life.Recovered), j.state.position())
		}
		if self == 2 && fmt.Sprint(orphansOf(t, j, v, 2)) != "[2/4@40 c 2/5@50 c]" {
			t.Errorf("the orphans of c in its own folder are %v", orphansOf(t, j, v, 2))
		}
	}
}

func orphansOf(t *testing.T, j *Journal, v *member.View, origin member.ID) (all []string) {
	t.Helper()
	err := j.Orphans(v, origin, func(b protocol.Batch) bool {
		all = append(all, places(&protocol.Recovered{Batches: []protocol.Batch{b}})...)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestRecordsOfViewsThatAreNoneAreRefused writes what no member writes, with a
// right checksum.
func TestRecordsOfViewsThatAreNoneAreRefused(t *testing.T) {
	view := member.AppendView(nil, viewOf(t, 2))
	for name, record := range map[string][]byte{
		"no view":            appendRecord(nil, kindView, nil),
		"a view with a tail": appendRecord(nil, kindView, append(view, 0)),
		"half a view":        appendRecord(nil, kindView, view[:len(view)/2]),
		"no vote":            appendRecord(nil, kindVote, nil),
		"a vote of zeros":    appendRecord(nil, kindVote, make([]byte, 5)),
	} {
		var disk Memory
		j, _ := open(t, &disk, testConfig())
		j.put(kindBound, appendNumber(nil, uint64(5)))
		j.group = append(j.group, record...)
		j.must = true
		synced(t, j)
		disk.Kill()
		if _, _, err := Open(&disk, testConfig()); err == nil || errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "segment 1 at byte") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFoldersOfVersion2AreRead opens a folder without any view, as a release before
// wrote it, and goes on in it.
func TestFoldersOfVersion2AreRead(t *testing.T) {
	var disk Memory
	j, _ := open(t, &disk, testConfig())
	j.Keep(protocol.Effects{Binding: member.Binding{1, 2, 3}, Agreed: true, Append: []protocol.Batch{makeBatch(t, 0, 1, "x")}})
	closed(t, j)
	putVersion(t, &disk, 2)
	j, life := open(t, &disk, testConfig())
	if r := life.Recovered; len(r.Batches) != 1 || r.View != nil || r.Voted != nil || !r.Agreed {
		t.Errorf("recovered %+v", r)
	}
	j.Keep(protocol.Effects{View: viewOf(t, 2)})
	closed(t, j)
	if _, life = open(t, &disk, testConfig()); life.Recovered.View == nil || len(life.Recovered.Batches) != 1 {
		t.Errorf("then recovered %+v", life.Recovered)
	}
}

// TestAFolderShowsNoOrphanAsSettled keeps two batches of c in c's own folder, of
// which the others agree on one, and what they settled later than the other.
func TestAFolderShowsNoOrphanAsSettled(t *testing.T) {
	var disk Memory
	cfg := testConfig()
	cfg.Self, cfg.Identity, cfg.Retain = 2, 3, &Retain{}
	j, _ := open(t, &disk, cfg)
	j.Keep(protocol.Effects{Binding: member.Binding{1, 2, 3}, Agreed: true})
	j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(t, 2, 1, "told"), makeBatch(t, 2, 2, "alone"), makeBatch(t, 0, 1, "a"), makeBatch(t, 0, 2, "b"), makeBatch(t, 0, 3, "c")}})
	synced(t, j)
	j.Keep(protocol.Effects{View: changed(t, founders(), member.Change{Kind: member.Evict, Identity: 3}, 0, 0, 1), Settled: 30})
	synced(t, j)
	disk.Kill()
	v, err := Look(&disk)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close() //nolint:errcheck // only read
	if !slices.Equal(v.Have, []uint64{3, 0, 1}) || v.End() != 4 {
		t.Errorf("shows %v, up to %d", v.Have, v.End())
	}
}
