package cluster

import (
	"testing"
	"time"

	"chatterbox/internal/job"
)

func TestVerdictIsTheWorstOfAll(t *testing.T) {
	outcome := func(count uint64, digest string, complete bool) *job.Outcome {
		return &job.Outcome{Count: count, Exact: "1.5", Digest: digest, Complete: complete}
	}
	full, other := outcome(5, "00", true), outcome(5, "01", true)
	part := outcome(4, "02", false)
	for name, c := range map[string]struct {
		members []Member
		verdict Verdict
		same    bool
	}{
		"all complete and equal":              {[]Member{{Outcome: full}, {Outcome: full}}, Agree, true},
		"complete but another order":          {[]Member{{Outcome: full}, {Outcome: other}}, Disagree, false},
		"disagreement outweighs a failure":    {[]Member{{Outcome: full}, {Exit: 3}, {Outcome: other}}, Disagree, false},
		"a part here and all there":           {[]Member{{Outcome: full}, {Outcome: part, Exit: 2}}, Partial, false},
		"the same part everywhere":            {[]Member{{Outcome: part, Exit: 2}, {Outcome: part, Exit: 2}}, Partial, true},
		"crashed by the map":                  {[]Member{{Outcome: part, Exit: 2}, {Exit: 137, Broken: "crashed"}}, Partial, true},
		"killed by somebody else":             {[]Member{{Outcome: full}, {Exit: 137}}, Failed, true},
		"complete, but the process failed":    {[]Member{{Outcome: full, Exit: 3}}, Failed, true},
		"complete, but the process panicked":  {[]Member{{Outcome: full, Exit: 2}}, Failed, true},
		"a failure outweighs a missing part":  {[]Member{{Outcome: part, Exit: 2}, {Exit: 3}}, Failed, true},
		"nobody printed anything":             {[]Member{{Exit: 137, Broken: "crashed"}}, Partial, false},
		"partial although its exit is zero":   {[]Member{{Outcome: part}}, Failed, true},
		"never started, as the map wanted it": {[]Member{{Outcome: part, Exit: 2}, {Exit: -1, Broken: "not started"}}, Partial, true},
	} {
		report := Report{Members: c.members, Elapsed: time.Second}
		if report.Verdict() != c.verdict || report.Same() != c.same || report.Describe() == "" {
			t.Errorf("%s: %v, same %v; want %v, %v", name, report.Verdict(), report.Same(), c.verdict, c.same)
		}
	}
}

func TestAgreedIsTheSmallestCount(t *testing.T) {
	report := Report{Elapsed: 2 * time.Second, Members: []Member{
		{Outcome: &job.Outcome{Count: 9}}, {}, {Outcome: &job.Outcome{Count: 4}},
	}}
	if report.Agreed() != 4 || report.Rate() != 2 {
		t.Errorf("agreed %d, rate %v", report.Agreed(), report.Rate())
	}
	if empty := new(Report); empty.Agreed() != 0 || empty.Rate() != 0 {
		t.Errorf("an empty report agrees on %d, rate %v", empty.Agreed(), empty.Rate())
	}
}

func TestFateTellsWhyThereIsNoTuple(t *testing.T) {
	for want, m := range map[string]Member{
		"crashed":               {Broken: "crashed", Exit: 137},
		"killed by signal 11":   {Exit: 139},
		"failed, exit status 3": {Exit: 3},
	} {
		if got := m.Fate(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
