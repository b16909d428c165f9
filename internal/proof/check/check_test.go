package check_test

import (
	"math/big"
	"regexp"
	"slices"
	"testing"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/check"
	"chatterbox/internal/proof/trace"
)

// Two members, a and b, with the identities 1 and 2.
const (
	a member.ID = iota
	b
)

const tick = 10 * time.Millisecond

func header() trace.Header {
	return trace.Header{
		Trace: trace.Version, Members: []string{"a", "b"}, Protocol: "delta", TickNs: tick, KeepAliveNs: 100 * time.Millisecond,
		LogBytesMax: 1000, MessageBytesMax: 100, WindowBytesMax: 200,
	}
}

func identity(id member.ID) member.Identity { return member.Identity(id) + 1 }

func start(id member.ID) trace.Event {
	return trace.Event{Kind: trace.Start, Member: id, Identity: identity(id), Life: 1}
}

func appends(id, stream member.ID, seq uint64, at clock.Time) trace.Event {
	return trace.Event{Kind: trace.Append, Member: id, Stream: stream, Identity: identity(stream), Seq: seq, Count: 1, Time: at, Bytes: 48, Hash: 100*uint64(stream) + seq}
}

func delivers(id, stream member.ID, seq uint64, at clock.Time, position uint64) trace.Event {
	e := appends(id, stream, seq, at)
	e.Kind, e.Position = trace.Deliver, position
	return e
}

func publishes(id, stream member.ID, have uint64, promise clock.Time) trace.Event {
	return trace.Event{Kind: trace.Publish, Member: id, Stream: stream, Have: have, Promise: promise}
}

func believes(id, peer, stream member.ID, have uint64, promise clock.Time) trace.Event {
	e := publishes(id, stream, have, promise)
	e.Kind, e.Peer = trace.Believe, peer
	return e
}

func pushes(id, peer, stream member.ID, seq, count uint64) trace.Event {
	return trace.Event{Kind: trace.Push, Member: id, Peer: peer, Stream: stream, Seq: seq, Count: count, Bytes: 48 * count}
}

func receives(id, peer member.ID, session uint64) trace.Event {
	return trace.Event{Kind: trace.Receive, Member: id, Peer: peer, Identity: identity(peer), Session: session}
}

func forced(id member.ID, number uint64) trace.Event {
	return trace.Event{Kind: trace.Forced, Member: id, Number: number, Hash: 5}
}

func installs(id member.ID, number, lineage uint64) trace.Event {
	return trace.Event{Kind: trace.Install, Member: id, Number: number, Hash: lineage, Count: 2}
}

func votes(id member.ID, number, promised uint64) trace.Event {
	return trace.Event{Kind: trace.Vote, Member: id, Number: number, Session: promised}
}

func phase(note string) trace.Event { return trace.Event{Kind: trace.Phase, Note: note} }

func final(id member.ID, entries uint64, complete bool, text string) trace.Event {
	return trace.Event{Kind: trace.Final, Member: id, Position: entries, State: [6]uint64{entries}, Complete: complete, Note: text}
}

func at(when time.Duration, e trace.Event) trace.Event {
	e.At = when
	return e
}

// judge returns the names of the checks that a trace violates.
func judge(h trace.Header, events ...trace.Event) []string {
	j := check.New(h, func(member.ID, uint64) uint64 { return 1 << 52 })
	for i := range events {
		j.Tell(&events[i])
	}
	var names []string
	for _, v := range slices.Concat(j.Violations(), j.Notes()) {
		if !slices.Contains(names, v.Check) {
			names = append(names, v.Check)
		}
	}
	return names
}

// soundRun is a run in which both members broadcast, deliver and trim.
func soundRun() []trace.Event {
	return []trace.Event{
		phase(check.PhaseSend), start(a), start(b),
		appends(a, a, 1, 1), publishes(a, a, 1, 1), pushes(a, b, a, 1, 1),
		receives(b, a, 1), appends(b, a, 1, 1), appends(b, b, 1, 2), publishes(b, a, 1, 1), publishes(b, b, 1, 2), pushes(b, a, b, 1, 1),
		receives(a, b, 1), appends(a, b, 1, 2), believes(a, b, a, 1, 1), publishes(a, b, 1, 2),
		delivers(a, a, 1, 1, 0), delivers(b, a, 1, 1, 0), delivers(a, b, 1, 2, 1), delivers(b, b, 1, 2, 1),
		publishes(a, a, 1, clock.Infinity), publishes(b, b, 1, clock.Infinity),
		{Kind: trace.Trim, Member: a, Stream: a, Have: 1, Time: 1},
		final(a, 2, true, "(2,1.5)"), final(b, 2, true, "(2,1.5)"), phase(check.PhaseEnd),
	}
}

func TestSoundRunBreaksNothing(t *testing.T) {
	h := header()
	h.Progress, h.Alike, h.Healthy, h.SettleWithinNs = true, true, true, time.Second
	if names := judge(h, soundRun()...); names != nil {
		t.Errorf("a sound run violates %v", names)
	}
}

// TestEachCheckSeesItsMistake gives each check the smallest trace that breaks
// its promise.
func TestEachCheckSeesItsMistake(t *testing.T) {
	for name, events := range mistakes() {
		t.Run(name, func(t *testing.T) {
			h := header()
			h.Progress, h.Alike = true, true
			h.Numbers = name == "exact-tuple"
			h.Healthy = name == "few-copies"
			if name == "settles-in-time" {
				h.SettleWithinNs = time.Second
			}
			if name == "goes-on" {
				h.GoesOnWithinNs = time.Second
			}
			h.Stays = name == "stays"
			if name == "one-apart" {
				h.Protocol = check.Lockstep
			}
			if name == "held-by-enough" {
				h.Holders = 2
			}
			h.Simulated = name == "prints-in-time"
			if names := judge(h, append([]trace.Event{start(a), start(b)}, events...)...); !slices.Contains(names, name) {
				t.Errorf("violated are %v", names)
			}
		})
	}
	for _, c := range check.All() {
		if _, ok := mistakes()[c.Name]; !ok && c.FromTrace() {
			t.Errorf("no mistake for %s", c.Name)
		}
	}
}

func mistakes() map[string][]trace.Event {
	many := make([]trace.Event, 0, 200)
	for seq := range uint64(200) {
		many = append(many, pushes(a, b, a, seq+1, 1))
	}
	var loud []trace.Event
	for range 1000 {
		loud = append(loud, at(3*time.Second, trace.Event{Kind: trace.Send, Member: a, Peer: b}))
	}
	return map[string][]trace.Event{
		"agreement":       {appends(a, a, 1, 1), appends(b, b, 1, 1), delivers(a, a, 1, 1, 0), delivers(b, b, 1, 1, 0)},
		"append-only":     {appends(a, a, 1, 5), appends(a, a, 2, 6), delivers(a, a, 2, 6, 0), delivers(a, a, 1, 5, 1)},
		"nothing-late":    {appends(b, b, 1, 3), publishes(a, b, 0, 4), appends(a, b, 1, 3)},
		"one-content":     {appends(a, a, 1, 1), appends(b, a, 1, 2)},
		"contiguous":      {appends(a, a, 1, 1), appends(a, a, 3, 2)},
		"durable-first":   {appends(a, a, 1, 1), publishes(a, a, 2, 1)},
		"below-truth":     {appends(a, a, 1, 1), believes(a, b, a, 1, 0)},
		"true-promises":   {appends(a, a, 1, 7), publishes(b, a, 0, 7)},
		"trimmed-is-held": {appends(a, a, 1, 1), {Kind: trace.Trim, Member: a, Stream: a, Have: 1, Time: 1}},
		"held-by-enough":  {appends(a, a, 1, 1), delivers(a, a, 1, 1, 0)},
		"one-view":        {installs(a, 2, 7), installs(b, 2, 8)},
		"nothing-taken-back": {
			appends(a, a, 1, 1), appends(b, a, 1, 1), delivers(a, a, 1, 1, 0), installs(b, 2, 7), {Kind: trace.Ends, Member: b, Stream: a},
		},
		"readers-count-nowhere": {installs(a, 2, 7), {Kind: trace.Ends, Member: a, Stream: a}, appends(a, a, 1, 1)},
		"settled-before-views":  {appends(a, a, 1, 5), delivers(a, a, 1, 5, 0), at(time.Second, trace.Event{Kind: trace.Install, Member: b, Number: 2, Hash: 7, Count: 2, Time: 4})},
		"histories-never-mix":   {forced(a, 2), installs(a, 2, 7), appends(a, a, 1, 1), appends(b, a, 1, 1)},
		"force-keeps":           {forced(a, 2), installs(a, 2, 7), {Kind: trace.Ends, Member: a, Stream: b, Have: 1}, {Kind: trace.Send, Member: a, Peer: b}},
		"votes-remembered":      {votes(a, 1, 3), votes(a, 1, 2)},
		"causality":             {appends(b, b, 1, 9), appends(a, b, 1, 9), appends(a, a, 1, 9)},
		"exact-tuple":           {appends(a, a, 1, 1), final(a, 1, true, "(1,0.25)")},
		"within-limits":         {{Kind: trace.Sample, Member: a, Bytes: 1001}},
		"no-early-resend":       {pushes(a, b, a, 1, 2), at(tick/2, pushes(a, b, a, 2, 1))},
		"few-copies":            append(many, phase(check.PhaseEnd)),
		"old-data-stops":        {{Kind: trace.Crash, Member: a, Note: check.DataOld}},
		"zombies-ignored":       {appends(b, b, 1, 1), receives(a, b, 2), {Kind: trace.Send, Member: a, Peer: b}, receives(a, b, 1), appends(a, b, 1, 1)},
		"progress":              {final(a, 0, true, "(0,0)"), final(b, 0, false, "(0,0)"), phase(check.PhaseEnd)},
		"exactly-once":          {appends(a, a, 1, 1), phase(check.PhaseEnd)},
		"same-text":             {final(a, 1, true, "(1,1)"), final(b, 1, true, "(1,0.5)")},
		"logs-empty":            {at(time.Minute, trace.Event{Kind: trace.Sample, Member: a, Bytes: 7}), at(time.Minute, phase(check.PhaseEnd))},
		"quiet-end":             append(loud, at(4*time.Second, phase(check.PhaseEnd))),
		"one-apart":             {appends(a, a, 1, 1), appends(a, a, 2, 2)},
		"prints-in-time":        {phase(check.PhaseEnd)},
		"stays":                 {installs(a, 2, 7)},
		"goes-on":               {at(time.Second, appends(a, a, 1, 1)), at(5*time.Second, phase(check.PhaseEnd))},
		"settles-in-time":       {at(time.Second, appends(a, a, 1, 1)), at(5*time.Second, delivers(a, a, 1, 1, 0))},
	}
}

// TestFirstAttemptAfterAHealIsForgiven as long as no word of the peer came that
// it holds the entries of the sender; a second attempt is not, nor a relayed copy.
func TestFirstAttemptAfterAHealIsForgiven(t *testing.T) {
	batch := func(id, stream member.ID) trace.Event {
		e := appends(id, stream, 1, 1)
		e.Count = 200
		return e
	}
	push, said := at(tick, pushes(a, b, a, 1, 200)), publishes(b, a, 200, 1)
	word, came := trace.Event{Kind: trace.Send, Member: b, Peer: a, Session: 1, Number: 7}, receives(a, b, 1)
	came.Number = 7
	for name, c := range map[string]struct {
		events []trace.Event
		broken bool
	}{
		"first":   {[]trace.Event{push}, false},
		"second":  {[]trace.Event{push, at(time.Second, push)}, true},
		"said":    {[]trace.Event{said, word, push}, false},
		"told":    {[]trace.Event{said, word, came, push}, true},
		"relayed": {[]trace.Event{pushes(a, b, b, 1, 200)}, true},
	} {
		events := []trace.Event{start(a), start(b), batch(a, a), batch(b, a), batch(b, b), batch(a, b), phase(check.PhaseHeal), receives(a, b, 1)}
		names := judge(header(), append(append(events, c.events...), phase(check.PhaseEnd))...)
		if slices.Contains(names, "few-copies") != c.broken {
			t.Errorf("%s: violated are %v", name, names)
		}
	}
}

// TestOlderDataMustStop as soon as the member meets a peer that holds more of its
// entries; until then, and if nobody holds more, it may go on.
func TestOlderDataMustStop(t *testing.T) {
	again := start(a)
	again.Life = 2
	older := trace.Event{Kind: trace.Crash, Member: a, Note: check.DataOlder}
	recovers := trace.Event{Kind: trace.Recover, Member: a, Stream: a, Time: 1}
	events := []trace.Event{
		start(a), start(b), appends(a, a, 1, 1), appends(a, a, 2, 2), appends(b, a, 1, 1), appends(b, a, 2, 2), publishes(a, a, 2, 2),
		older, again, recovers, appends(a, a, 1, 1),
	}
	met := []trace.Event{at(time.Second, receives(b, a, 2)), at(time.Second, receives(a, b, 1))}
	other := appends(a, a, 2, 9)
	end := at(9*time.Second, phase(check.PhaseEnd))
	replaced := trace.Event{At: time.Second, Kind: trace.Opens, Member: a, Stream: a, Identity: 99, Hash: 98, Number: 2, Have: 2}
	for name, c := range map[string]struct {
		then   []trace.Event
		broken bool
	}{
		"reads":     {append(slices.Clone(met), replaced, end), false},
		"usurps":    {append(slices.Clone(met), replaced, at(2*time.Second, other), end), true},
		"alone":     {[]trace.Event{other, publishes(a, a, 2, 9), end}, false},
		"goes on":   {append(slices.Clone(met), other, end), true},
		"stops":     {append(slices.Clone(met), trace.Event{Kind: trace.Crash, Member: a, Note: check.DataOld}, end), false},
		"begins as": {append(slices.Clone(met), trace.Event{Kind: trace.Crash, Member: a, Note: check.DataLost}, end), false},
	} {
		if names := judge(header(), append(slices.Clone(events), c.then...)...); slices.Contains(names, "old-data-stops") != c.broken || !c.broken && names != nil {
			t.Errorf("%s: violated are %v", name, names)
		}
	}
}

// TestLastBatchMayReachOverTheWindow: of what is sent in vain, for batches are not
// split. What the member held when it stopped does not count.
func TestLastBatchMayReachOverTheWindow(t *testing.T) {
	h := header()
	for bytes, broken := range map[uint64]bool{2*200 + 2*100: false, 2*200 + 2*100 + 1: true} {
		push := pushes(a, b, a, 2, 12)
		push.Bytes = bytes
		held := pushes(a, b, a, 1, 1)
		held.Bytes = 1000
		names := judge(h, start(a), start(b), appends(b, a, 1, 1), trace.Event{Kind: trace.Crash, Member: b}, held, push)
		if slices.Contains(names, "within-limits") != broken {
			t.Errorf("%d bytes: violated are %v", bytes, names)
		}
	}
}

// TestInventionIsSeen: what a member holds its origin appended.
func TestInventionIsSeen(t *testing.T) {
	if names := judge(header(), start(a), start(b), appends(a, b, 1, 1)); !slices.Contains(names, "exactly-once") {
		t.Errorf("violated are %v", names)
	}
}

// TestBeliefsDoNotFall: what was known of a peer stays known.
func TestBeliefsDoNotFall(t *testing.T) {
	events := []trace.Event{
		start(a), start(b), appends(a, a, 1, 1), appends(b, a, 1, 1), publishes(b, a, 1, 1), believes(a, b, a, 1, 1), believes(a, b, a, 0, 0),
	}
	if names := judge(header(), events...); !slices.Contains(names, "below-truth") {
		t.Errorf("violated are %v", names)
	}
}

// TestRestartMustBringBackWhatWasPublished, the batches and the clock.
func TestRestartMustBringBackWhatWasPublished(t *testing.T) {
	again := start(a)
	again.Life = 2
	before := []trace.Event{start(a), start(b), appends(a, a, 1, 5), publishes(a, a, 1, 6), {Kind: trace.Crash, Member: a}, again}
	recovered := trace.Event{Kind: trace.Recover, Member: a, Stream: a, Time: 10}
	sound := append(slices.Clone(before), recovered, appends(a, a, 1, 5), publishes(a, a, 1, 7), appends(a, a, 2, 11))
	if names := judge(header(), sound...); names != nil {
		t.Errorf("a sound restart violates %v", names)
	}
	forgot := append(slices.Clone(before), recovered, publishes(a, b, 0, 1))
	if names := judge(header(), forgot...); !slices.Contains(names, "durable-first") {
		t.Errorf("a restart that forgets a batch violates %v", names)
	}
	recovered.Time = 5
	early := append(slices.Clone(before), recovered)
	if names := judge(header(), early...); !slices.Contains(names, "durable-first") {
		t.Errorf("a restart with an early clock violates %v", names)
	}
}

// TestWhatDoesNotCountNeedNotComeBack: a life that learnt that its place is
// another's, and crashed before it began anew, comes back without what it wrote.
func TestWhatDoesNotCountNeedNotComeBack(t *testing.T) {
	for identity, broken := range map[member.Identity]bool{77: false, start(b).Identity: true} {
		stranger := start(b)
		stranger.Identity = identity
		own := appends(b, b, 1, 9)
		own.Identity = identity
		again := stranger
		again.Life = 2
		names := judge(header(), start(a), start(b), trace.Event{Kind: trace.Crash, Member: b, Note: check.DataLost}, stranger, own, publishes(b, b, 1, 9),
			trace.Event{Kind: trace.Crash, Member: b}, again, trace.Event{Kind: trace.Recover, Member: b, Stream: b, Time: 9}, publishes(b, a, 0, 0))
		if slices.Contains(names, "durable-first") != broken {
			t.Errorf("with identity %s violated are %v", identity, names)
		}
	}
}

// TestStrangersAreNotTakenForTheLifeThatCounts: a life that comes back without
// its data may say and discard what it likes before it knows better.
func TestStrangersAreNotTakenForTheLifeThatCounts(t *testing.T) {
	stranger := start(b)
	stranger.Identity = 77
	own := appends(b, b, 1, 9)
	own.Identity = 77
	events := append(soundRun()[:20:20],
		trace.Event{Kind: trace.Crash, Member: b}, stranger, own, publishes(b, b, 1, 50),
		trace.Event{Kind: trace.Recover, Member: b, Stream: a, Have: 1, Promise: 2, Time: 2},
		trace.Event{Kind: trace.Recover, Member: b, Stream: b, Have: 1, Promise: 2, Time: 2},
		trace.Event{Kind: trace.Reset, Member: b, Time: 2, Position: 2, Note: trace.ResetPeer})
	later := appends(a, a, 2, 3)
	events = append(events, later, appends(b, a, 2, 3))
	if names := judge(header(), events...); names != nil {
		t.Errorf("violated are %v", names)
	}
}

// TestWhatAllForgotBindsNobody: members that all came back without their data
// are another cluster. As long as one keeps its data they are not.
func TestWhatAllForgotBindsNobody(t *testing.T) {
	for note, broken := range map[string]bool{check.DataLost: false, trace.DataKept: true} {
		again := appends(b, b, 1, 1)
		again.Identity = 7
		delivery := delivers(b, b, 1, 1, 0)
		delivery.Identity = 7
		names := judge(header(), start(a), start(b), appends(a, a, 1, 1), appends(b, a, 1, 1), delivers(a, a, 1, 1, 0),
			trace.Event{Kind: trace.Crash, Member: b, Note: check.DataLost}, trace.Event{Kind: trace.Crash, Member: a, Note: note},
			trace.Event{Kind: trace.Start, Member: b, Identity: 7, Life: 1}, again, delivery)
		if slices.Contains(names, "agreement") != broken {
			t.Errorf("after the last crash, %s, violated are %v", note, names)
		}
	}
}

// TestWhoHeardOfTheClusterIsBoundByIt: of two members that lost their data one
// after the other, the first one back carries the order on if it heard of it.
func TestWhoHeardOfTheClusterIsBoundByIt(t *testing.T) {
	for _, heard := range []bool{false, true} {
		events := []trace.Event{
			start(a), start(b), appends(a, a, 1, 1), appends(b, a, 1, 1), delivers(a, a, 1, 1, 0),
			{Kind: trace.Crash, Member: b, Note: check.DataLost},
			{Kind: trace.Start, Member: b, Identity: 7, Life: 1},
		}
		if heard {
			events = append(events, trace.Event{Kind: trace.Receive, Member: b, Peer: a, Identity: start(a).Identity})
		}
		own, delivery := appends(b, b, 1, 1), delivers(b, b, 1, 1, 0)
		own.Identity, delivery.Identity = 7, 7
		events = append(events, trace.Event{Kind: trace.Crash, Member: a, Note: check.DataLost}, own, delivery)
		if names := judge(header(), events...); slices.Contains(names, "agreement") != heard {
			t.Errorf("with heard %t violated are %v", heard, names)
		}
	}
}

// TestViolationsAreCountedAndAFewKept of each check.
func TestViolationsAreCountedAndAFewKept(t *testing.T) {
	j := check.New(header(), nil)
	for range 100 {
		j.Tell(&trace.Event{Kind: trace.Sample, Bytes: 5000})
	}
	if j.Count() != 100 || j.CountOf("within-limits") != 100 || j.CountOf("agreement") != 0 || len(j.Violations()) == 0 || len(j.Violations()) > 10 {
		t.Errorf("%d violations, %d kept", j.Count(), len(j.Violations()))
	}
}

// TestTheTableExplainsEachCheckOnce.
func TestTheTableExplainsEachCheckOnce(t *testing.T) {
	seen := map[string]bool{}
	for i, c := range check.All() {
		if c.Number != i+1 || c.Promise == "" || c.Catches == "" || seen[c.Name] {
			t.Errorf("check %d %q lacks a sentence or has no name of its own", c.Number, c.Name)
		}
		seen[c.Name] = true
		if named, ok := check.Named(c.Name); !ok || named.Number != c.Number {
			t.Errorf("%s is not found by its name", c.Name)
		}
	}
}

// TestTextIsTheNearestDecimal: the score is rounded half to even.
func TestTextIsTheNearestDecimal(t *testing.T) {
	h := header()
	h.Numbers = true
	text := "(3,3)" // 0.5 + 2*0.5 + 3*0.5
	state := [6]uint64{3, 3 << 52, 0, 6 << 52, 0}
	events := []trace.Event{start(a), start(b), appends(a, a, 1, 1), appends(a, a, 2, 2), appends(a, a, 3, 3)}
	e := final(a, 3, false, text)
	e.State = state
	if names := judge(h, append(events, e)...); names != nil {
		t.Errorf("violated are %v", names)
	}
	e.State[3]++
	if names := judge(h, append(events, e)...); !slices.Contains(names, "exact-tuple") {
		t.Errorf("one too many in %v is not seen", new(big.Int).SetUint64(e.State[3]))
	}
}

// TestCostIsNotedAndMeasured: it breaks no promise, and is a number.
func TestCostIsNotedAndMeasured(t *testing.T) {
	h := header()
	h.Healthy, h.Progress, h.SettleWithinNs = true, true, time.Second
	batch := appends(a, a, 1, 1)
	batch.Count = 100
	push := pushes(a, b, a, 1, 100)
	j := check.New(h, nil)
	late := delivers(a, a, 1, 1, 0)
	late.Count = 100
	for _, e := range []trace.Event{
		start(a), start(b), at(time.Second, batch), at(time.Second, push), at(time.Second+tick/2, push), at(3*time.Second, late),
		at(3*time.Second, phase(check.PhaseHeal)), at(9*time.Second, phase(check.PhaseEnd)),
	} {
		j.Tell(&e)
	}
	want := map[string]float64{"early": 0.5, "settle": 2, "copies": 0, "quiet": 0, "heal": 0}
	for _, c := range j.Costs() {
		if value, ok := want[c.Name]; !ok || value != c.Value {
			t.Errorf("%s costs %v, want %v", c.Name, c.Value, value)
		}
		delete(want, c.Name)
	}
	delete(want, "copies") // nothing is needed after the heal
	if len(want) > 0 {
		t.Errorf("no word of %v", want)
	}
	for _, v := range j.Violations() {
		if known, _ := check.Named(v.Check); known.Cost {
			t.Errorf("cost breaks a promise: %v", v)
		}
	}
	if len(j.Notes()) == 0 {
		t.Error("nothing is noted")
	}
}

// TestViolationsCallMembersByTheirNames: places in the list are for programs.
func TestViolationsCallMembersByTheirNames(t *testing.T) {
	number := regexp.MustCompile(`\b(member|stream) \d|\b\d+/\d+\b`)
	for name, events := range mistakes() {
		h := header()
		h.Progress, h.Alike, h.Healthy, h.SettleWithinNs, h.Holders = true, true, true, time.Second, 2
		j := check.New(h, nil)
		for _, e := range append([]trace.Event{start(a), start(b)}, events...) {
			j.Tell(&e)
		}
		for _, v := range j.Violations() {
			if text := v.String(); number.MatchString(text) {
				t.Errorf("%s: %s", name, text)
			}
		}
	}
}
