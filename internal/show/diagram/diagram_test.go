package diagram

import (
	"slices"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/mutant"
	"chatterbox/internal/proof/sim"
	"chatterbox/internal/proof/trace"
)

// play simulates a cluster, and returns its run beside the events that it is
// made of.
func play(t *testing.T, config sim.Config) (*Run, *trace.Log) {
	t.Helper()
	header, err := sim.Prepare(config)
	if err != nil {
		t.Fatal(err)
	}
	builder, log := NewBuilder(header, sim.Numbers(header.Seed)), &trace.Log{}
	config.Sink = trace.Tee(builder, log)
	if _, err := sim.Run(config); err != nil {
		t.Fatal(err)
	}
	return builder.Run(), log
}

// halves is a plain run in which a, b lose c, d, e for two seconds.
func halves(t *testing.T) (*Run, *trace.Log) {
	t.Helper()
	shape := sim.Draw(3, 5)
	shape.Spared, shape.Zombies, shape.Rates = nil, 0, []float64{20, 20, 20, 20, 20}
	return play(t, sim.Config{Seed: 3, Shape: &shape, SendFor: 4 * time.Second, Map: parse(t, "1s a,b <-> c,d,e cut\n3s a,b <-> c,d,e heal")})
}

func parse(t *testing.T, text string) failure.Map {
	t.Helper()
	m, err := failure.Parse(strings.NewReader(text), "test")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// renamed returns a run after giving its members other names.
func renamed(r *Run, names ...string) *Run {
	r.Header.Members = names
	return r
}

// TestRunSaysWhatTheTraceSays compares random runs, with all kinds of
// failures, with their events.
func TestRunSaysWhatTheTraceSays(t *testing.T) {
	delivered := 0
	for seed := range uint64(20) {
		run, log := play(t, sim.Config{Protocol: []string{sim.Delta, sim.Lockstep}[seed%2], Seed: seed, Members: 3 + int(seed%4), SendFor: 2 * time.Second, GraceFor: 2 * time.Second})
		sent := 0
		received := map[frameKey]bool{} // those with a number
		for i := range log.Events {
			switch e := &log.Events[i]; e.Kind {
			case trace.Send:
				sent++
			case trace.Receive:
				if e.Number > 0 {
					received[frameKey{e.Peer, e.Member, e.Session, e.Number}] = true
				}
			case trace.Deliver:
				delivered++
				b := batchAt(run, e)
				if b == nil || b.Settled[e.Member] < 0 || b.Settled[e.Member] > e.At || b.Position != e.Position+1 {
					t.Fatalf("seed %d: %+v is not in the run: %+v", seed, e, b)
				}
			case trace.Append:
				if b := batchAt(run, e); b == nil || b.Count != e.Count || b.Time != e.Time {
					t.Fatalf("seed %d: %+v is not in the run: %+v", seed, e, b)
				}
			}
		}
		arrived := 0
		for i := range run.Frames {
			f := &run.Frames[i]
			if f.Got >= 0 {
				arrived++
				if f.Got < f.Sent || f.got <= f.sent || f.From == f.To {
					t.Fatalf("seed %d: a frame arrives before it is sent: %+v", seed, f)
				}
			}
		}
		if sent != len(run.Frames) || arrived < len(received) {
			t.Errorf("seed %d: %d sent, %d frames; %d received, %d arrived", seed, sent, len(run.Frames), len(received), arrived)
		}
	}
	if delivered < 1000 {
		t.Errorf("only %d deliveries were compared", delivered)
	}
}

func batchAt(r *Run, e *trace.Event) *Batch {
	for i := range r.Batches {
		if b := &r.Batches[i]; b.Stream == e.Stream && b.Seq == e.Seq && b.Identity == e.Identity {
			return b
		}
	}
	return nil
}

// TestWhoBroughtABatchCarriedIt: the frame that a member first had a batch
// from carries it, and was there before the batch was held.
func TestWhoBroughtABatchCarriedIt(t *testing.T) {
	run, _ := halves(t)
	brought := 0
	for i := range run.Batches {
		b := &run.Batches[i]
		for m, by := range b.brought {
			if member.ID(m) == b.Stream || b.Held[m] < 0 {
				continue
			}
			if by == nothing {
				t.Fatalf("nobody brought %s to %d", run.label(b), m)
			}
			f, carries := &run.Frames[by], false
			for _, batch := range run.carries(f) {
				carries = carries || batch == int32(i)
			}
			if !carries || f.To != member.ID(m) || f.Got > b.Held[m] || f.rank != rankBrings {
				t.Fatalf("%s came to %d at %v by %+v", run.label(b), m, b.Held[m], f)
			}
			brought++
		}
	}
	if brought < 100 {
		t.Errorf("only %d batches were brought", brought)
	}
}

// TestFramesAreLostInACutAndNotElsewhere, and neighbours are walled off as long
// as it lasts.
func TestFramesAreLostInACutAndNotElsewhere(t *testing.T) {
	run, _ := halves(t)
	want := cutting{span: span{time.Second, 3 * time.Second}, gap: 1, cut: true, both: true}
	if len(run.cuts) != 1 || run.cuts[0] != want {
		t.Errorf("cuts %+v, want %+v", run.cuts, want)
	}
	lost := 0
	for i := range run.Frames {
		f := &run.Frames[i]
		across := (f.From < 2) != (f.To < 2)
		inside := f.Sent > want.from && f.Sent < want.to
		switch {
		case run.lost(f) && across && inside:
			lost++
		case f.Got >= 0 && across && f.Sent > want.from && f.Got < want.to:
			t.Fatalf("a frame crosses the cut: %+v", f)
		}
	}
	if lost == 0 {
		t.Error("no frame is lost in the cut")
	}
}

// TestOneWayCutIsHalfAWall: a cut in one direction is another thing than one
// in both.
func TestOneWayCutIsHalfAWall(t *testing.T) {
	run := &Run{Header: trace.Header{Members: []string{"a", "b", "c"}}, End: 9 * time.Second}
	for at, line := range []string{"0s a -> b cut", "1s a -> b heal", "2s b <-> c cut", "4s c -> b heal", "garbage", "5s d <-> e cut"} {
		run.Marks = append(run.Marks, Mark{At: time.Duration(at) * time.Second, Kind: trace.Fault, Text: line})
	}
	got := cutsOf(run)
	want := []cutting{
		{span{0, time.Second}, 0, true, false},
		{span{2 * time.Second, 3 * time.Second}, 1, true, true},
		{span{3 * time.Second, 9 * time.Second}, 1, true, false},
	}
	if len(got) != len(want) {
		t.Fatalf("cuts %+v, want %+v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("cut %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

// TestLivesFollowTheMap: a member is down between crash and restart, and still
// while it is paused.
func TestLivesFollowTheMap(t *testing.T) {
	shape := sim.Draw(3, 3)
	shape.Spared, shape.Journal, shape.Rates = nil, true, []float64{20, 20, 20}
	run, _ := play(t, sim.Config{Seed: 3, Members: 3, Shape: &shape, Map: parse(t, "1s b crash\n2s b restart\n3s c pause\n4s c resume")})
	var down, still time.Duration
	for _, life := range livesOf(run, 1) {
		if life.class == "dead" {
			down += life.to - life.from
		}
	}
	for _, life := range livesOf(run, 2) {
		if life.class == "lane still" {
			still += life.to - life.from
		}
	}
	if down < 900*time.Millisecond || down > 1100*time.Millisecond || still < 900*time.Millisecond || still > 1100*time.Millisecond {
		t.Errorf("b is down for %v, c is still for %v; both want 1s", down, still)
	}
	var texts []string
	for _, event := range run.lifeEvents() {
		texts = append(texts, run.names()[event.who]+" "+event.text)
	}
	if got := strings.Join(texts, ", "); got != "b crashes, b starts again, c is paused, c goes on" {
		t.Errorf("events: %s", got)
	}
}

// evicted is a run in which the others go on without c, which comes back later.
func evicted(t *testing.T) *Run {
	shape := sim.Draw(3, 3)
	shape.Spared, shape.Journal, shape.Changes, shape.Holders, shape.Rates = nil, true, true, 2, []float64{20, 20, 20}
	run, _ := play(t, sim.Config{Seed: 3, Members: 3, Shape: &shape, Map: parse(t, "1s c crash\n2s b evict c\n3500ms c restart")})
	return run
}

// TestLivesTellTheView: each member that goes by another view says so, and the
// line of who is out shows it while it runs.
func TestLivesTellTheView(t *testing.T) {
	run := evicted(t)
	var texts []string
	for _, event := range run.lifeEvents() {
		texts = append(texts, run.names()[event.who]+" "+event.text)
	}
	got := strings.Join(texts, ", ")
	for _, want := range []string{"a view 2: without c", "b view 2: without c", "c starts again, c view 2: is out"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in: %s", want, got)
		}
	}
	var classes []string
	for _, life := range livesOf(run, 2) {
		classes = append(classes, life.class)
	}
	if got := strings.Join(classes, ", "); got != "dead, lane, dead, lane out" || len(livesOf(run, 0)) != 2 {
		t.Errorf("the line of c: %s; of a: %v", got, livesOf(run, 0))
	}
}

func broken(t *testing.T) *Run {
	t.Helper()
	c := sim.Config{Protocol: sim.Delta, Seed: 8, Mutant: "tie-without-origin"}
	if !slices.Contains(mutant.Built(c.Protocol), c.Mutant) {
		t.Skip("internal/proof/mutant runs this with mutants")
	}
	run, _ := play(t, c)
	if len(run.Broken) == 0 {
		t.Fatal("the mutant breaks nothing")
	}
	return run
}

// TestAroundAMutantsViolationIsFew: of thousands of frames some tens matter, and what
// was seen last is among them.
func TestAroundAMutantsViolationIsFew(t *testing.T) {
	run := broken(t)
	v, err := run.Around(AnyViolation)
	if err != nil {
		t.Fatal(err)
	}
	first := &run.Broken[0]
	frames := run.stories(&v, v.Matters)
	if !v.Spotted || !v.Bad || v.At != first.At || v.Member != first.Member || v.Note != first.Text || v.From > first.At || v.To < first.At {
		t.Errorf("view %+v of %+v", v, first)
	}
	if len(v.Matters) == 0 || len(v.Matters) > 10 || len(frames) == 0 || len(frames) > 80 || len(run.Frames) < 1000 {
		t.Errorf("%d batches and %d of %d frames matter", len(v.Matters), len(frames), len(run.Frames))
	}
	found := false
	for _, i := range v.Matters {
		found = found || i == first.Batch
	}
	if first.Batch == nothing || !found {
		t.Errorf("the batch %d of the violation is not among %v", first.Batch, v.Matters)
	}
	named, err := run.Around(first.Check)
	if err != nil || named.At != v.At {
		t.Errorf("around %s: %+v, %v", first.Check, named, err)
	}
}

// TestAroundFindsPlacesAndSaysWhatThereIs.
func TestAroundFindsPlacesAndSaysWhatThereIs(t *testing.T) {
	run, _ := halves(t)
	for place, title := range map[string]string{"1": "Position 1: ", "c/7": "Entry c/7", "1.5s": "Around 1.500 s"} {
		v, err := run.Around(place)
		if err != nil || !strings.HasPrefix(v.Title, title) || v.To <= v.From {
			t.Errorf("around %s: %+v, %v", place, v, err)
		}
		if err := CheckPlace(place); err != nil {
			t.Errorf("%s is fine, but %v", place, err)
		}
	}
	for place, want := range map[string]string{
		"999999": "positions 1 to ", "0": "positions 1 to ", "c/99999": "c wrote the entries 1 to ", "x/1": `no member is called "x"; there are a, b, c, d, e`, "c/x": "no sequence number",
		"99s": "the run ends at ", "violation": "no promise is broken", "agreement": "is not broken", "nonsense": "no position (120)",
	} {
		if _, err := run.Around(place); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("around %s: error %v, want one with %q", place, err, want)
		}
	}
	if CheckPlace("nonsense") == nil {
		t.Error("nonsense is taken for a place")
	}
}

// TestCloserViewsFollowMoreBatches and never others: each batch of a wide view
// is in a narrower one, if it is in its time at all.
func TestCloserViewsFollowMoreBatches(t *testing.T) {
	run, _ := halves(t)
	wide := run.Whole()
	few, stride, all := run.follow(&wide, 20)
	if stride < 2 || len(few) > 20 || all <= 20 {
		t.Fatalf("%d of %d batches, one in %d", len(few), all, stride)
	}
	near := View{From: wide.From, To: wide.From + (wide.To-wide.From)/4}
	more, closer, _ := run.follow(&near, 20)
	if closer >= stride {
		t.Errorf("a closer view follows one batch in %d, the wide one one in %d", closer, stride)
	}
	in := map[int32]bool{}
	for _, i := range more {
		in[i] = true
	}
	for _, i := range few {
		if run.Batches[i].written() <= near.To && !in[i] {
			t.Errorf("%s is followed from afar, and not from near", run.label(&run.Batches[i]))
		}
	}
}

// TestSamplesKeepNoStepWithMembers: where members write by turns, every one of
// them is among the batches that are followed, about equally often.
func TestSamplesKeepNoStepWithMembers(t *testing.T) {
	const members, batches = 4, 1 << 12
	for _, stride := range []int{2, 4, 8, 64} {
		var kept [members]int
		for i := range batches {
			if sampled(int32(i), stride) {
				kept[i%members]++
			}
		}
		for m, n := range kept {
			if want := batches / stride / members; n < want/2 || n > want*2 {
				t.Errorf("of one batch in %d, %d are of member %d, want about %d", stride, n, m, want)
			}
		}
	}
}
