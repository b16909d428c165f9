package cluster

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chatterbox/internal/job"
	"chatterbox/internal/proof/failure"
)

// explained is a report of a run of three members with a failure map.
func explained(t *testing.T, text string, members ...Member) []string {
	t.Helper()
	m, err := failure.Parse(strings.NewReader(text), "map")
	if err != nil {
		t.Fatal(err)
	}
	r := &Report{Members: members, Elapsed: 5 * time.Second}
	if r.schedule, err = m.Bind(Names(len(members))); err != nil {
		t.Fatal(err)
	}
	return r.Explain()
}

// holding is a member that lacks something of others.
func holding(name string, missing string, held ...uint64) Member {
	return Member{Name: name, Outcome: &job.Outcome{Complete: missing == "", Missing: strings.Fields(missing), Held: held}}
}

func TestReportSaysWhoLacksWhatAndWhy(t *testing.T) {
	for text, c := range map[string]struct {
		members []Member
		want    []string
	}{
		"1s b -> a cut\n1s c -> a cut": {
			[]Member{holding("a", "b", 5, 7, 3), holding("b", "", 5, 10, 3), holding("c", "", 5, 10, 3)},
			[]string{"member a lacks 3 entries of b: the link from b to a was cut from 1.0s until the end, and no other way led there"},
		},
		"1s b -> a cut": { // c could have passed them on
			[]Member{holding("a", "b", 5, 7, 3), holding("b", "", 5, 10, 3), holding("c", "", 5, 10, 3)},
			[]string{"member a lacks 3 entries of b: the last failure began or ended at 1.0s, and from then on the time was too short; give a longer --wait-for"},
		},
		"2s c crash": {
			[]Member{holding("a", "c", 5, 7, 3), holding("b", "c", 5, 7, 4), {Name: "c", Exit: 137, Broken: brokenByCrash}},
			[]string{"member a lacks 1 entry of c: c had crashed", "member b has not heard that there are no more entries of c: c had crashed"},
		},
		"2s b crash losing data\n3s b restart": {
			[]Member{holding("a", "b", 5, 7), {Name: "b", Amnesic: true, Outcome: holding("b", "b", 5, 7).Outcome}},
			[]string{
				"member a has not heard that there are no more entries of b: b came back without its data, and nobody else knows where its stream ended",
				"member b came back without its data, and so it reads only",
			},
		},
		"1s a <-> b delay 1s": {
			[]Member{{Name: "a", Outcome: &job.Outcome{Held: []uint64{5, 7}}}, {Name: "b", Outcome: &job.Outcome{Held: []uint64{5, 7}}}},
			[]string{"members a, b have all entries, but could not learn in time that their order is final; give a longer --wait-for"},
		},
		"": {
			[]Member{holding("a", "b", 5, 7), holding("b", "b", 5, 9)},
			[]string{
				"member a lacks 2 entries of b: the time was too short; give a longer --wait-for",
				"member b could not end its own stream in time: there was more to send than the others took; give a longer --wait-for, or a --rate",
			},
		},
	} {
		if diff := cmp.Diff(c.want, explained(t, text, c.members...)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func TestOneSentenceIsForAllWithTheSameCause(t *testing.T) {
	var members []Member
	for _, m := range Names(9) {
		members = append(members, holding(m.Name, "", 9, 9, 9, 9, 9, 9, 9, 9, 9))
	}
	members[0] = holding("a", "b c d e f g h i", 9, 8, 7, 9, 9, 9, 9, 9, 9)
	members[8] = Member{Name: "i", Exit: 137, Broken: brokenByCrash}
	members[3] = holding("d", "i", 9, 9, 9, 9, 9, 9, 9, 9, 9)
	want := []string{
		"member a lacks 3 entries of b, c: the links from b, c to a were cut from 1.0s until the end, and no other way led there",
		"member a has not heard that there are no more entries of d, e, f, g, h: the links from d, e, f, g, h to a were cut from 1.0s until the end, and no other way led there",
		"members a, d have not heard that there are no more entries of i: i had crashed",
	}
	if diff := cmp.Diff(want, explained(t, "1s a <-> * cut\n2s i crash", members...)); diff != "" {
		t.Error(diff)
	}
}

func TestManyReasonsAreASentence(t *testing.T) {
	var members []Member
	for i, m := range Names(10) {
		held := make([]uint64, 10)
		held[i] = 5
		members = append(members, holding(m.Name, "a b c d e f g h i j", held...))
	}
	if got := explained(t, "", members...); len(got) != explainedMax+1 || got[explainedMax] != "and so on, 12 more" {
		t.Errorf("%q", got)
	}
}
