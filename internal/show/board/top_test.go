package board

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/serve"
	"chatterbox/internal/term"
)

// answer is how member a of two is, b having been heard so many seconds ago.
func answer(settled int, heard float64) *serve.Status {
	ago := func(s float64) *float64 { return &s }
	s := &serve.Status{
		Name: "a", Ready: heard < 1, Writable: true, Oldest: 1, Settled: 100, Stable: 90, Tentative: settled - 100, Accepted: 7,
		Members: []serve.Member{
			{Name: "a", Address: "10.0.0.1:3000", Heard: ago(0), Settled: 100},
			{Name: "b", Address: "10.0.0.2:3000", Heard: ago(heard), Settled: 60, Lag: 40},
		},
	}
	if heard >= 1 {
		s.Reason, s.Members[1].Trouble = "b not heard", "nobody listens at the address"
		s.HeldUpBy = []serve.Culprit{{Name: "b", Since: heard - 0.5, Command: "start b again"}}
	}
	return s
}

func TestTopSaysWhatHappensAboveTheFigures(t *testing.T) {
	var out bytes.Buffer
	screen := term.NewScreen(&out, true, func() term.Size { return term.Size{Columns: 60, Lines: 30} })
	top := NewTop(screen, false, nil)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	pass := func(do func()) string {
		out.Reset()
		at = at.Add(time.Second)
		do()
		return strings.ReplaceAll(out.String(), "\x1b[K", "")
	}
	for i, c := range []struct {
		do   func()
		want []string
	}{
		{func() { top.Show(answer(100, 0.1), at) }, []string{"a: ready: entries settle\n", "b             60    40  now "}},
		{func() { top.Show(answer(120, 0.1), at) }, []string{"03:04:07  written 10 /s, "}},
		{func() { top.Show(answer(150, 1.5), at) }, []string{
			"03:04:08 b is not heard any more: nobody listens at the address\n", "03:04:08 settling waits for b\n",
			"a: nothing settles: b not heard\n", "settling has waited for b for 1.0 s: start b again\n", "1.5 s ago",
		}},
		{func() { top.Lost(errors.New("refused"), at) }, []string{"03:04:09 a does not answer: refused\n", "a has not answered for 1.0s; this is how it was then\n"}},
		{func() { top.Show(answer(150, 0), at) }, []string{
			"03:04:10 a answers again, after 2.0s\n", "03:04:10 b is heard again\n", "03:04:10 settling goes on, after 3.0s\n", "a: ready",
		}},
	} {
		text := pass(c.do)
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("step %d: no %q in:\n%s", i, want, text)
			}
		}
		for _, line := range strings.Split(text, "\n") {
			if !strings.Contains(line, "not heard any more") && term.Columns(line) > 59 { // what is said may wrap, what is drawn may not
				t.Errorf("step %d: %q is too wide", i, line)
			}
		}
	}
}

func TestTopWithoutATerminalPrintsBlocks(t *testing.T) {
	var blocks [][]string
	top := NewTop(nil, false, func(lines []string) { blocks = append(blocks, lines) })
	top.Lost(errors.New("never answered"), time.Unix(100, 0))
	top.Show(answer(100, 0.1), time.Unix(101, 0))
	top.Show(answer(100, 3), time.Unix(102, 0))
	top.Lost(errors.New("refused"), time.Unix(104, 0))
	if len(blocks) != 3 || strings.Contains(strings.Join(blocks[0], "\n"), "written") || !strings.Contains(blocks[1][1], "written") ||
		blocks[2][0] != "a has not answered for 2.0s; this is how it was then" {
		t.Errorf("%q", blocks)
	}
}

// TestTopSaysWhoBelongsToTheCluster lets b, which is silent, be evicted: it is not
// missed any more.
func TestTopSaysWhoBelongsToTheCluster(t *testing.T) {
	var out bytes.Buffer
	top := NewTop(term.NewScreen(&out, true, func() term.Size { return term.Size{Columns: 80, Lines: 30} }), false, nil)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	before := answer(100, 2)
	before.View = 1
	top.Show(before, at)
	after := answer(100, 3)
	after.View, after.HeldUpBy, after.Ready, after.Members[1].Role = 2, nil, true, "evicted"
	out.Reset()
	top.Show(after, at.Add(time.Second))
	text := out.String()
	for _, want := range []string{"view 2: the members are a\n", "settling goes on", "b             60    40  evicted"} {
		if !strings.Contains(strings.ReplaceAll(text, "\x1b[K", ""), want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "heard again") {
		t.Errorf("who was evicted is heard again:\n%s", text)
	}
}

func TestMembersAreListedWithHowManyMayFail(t *testing.T) {
	ago := 0.1
	m := &serve.Membership{View: 3, Quorum: 2, Holders: 2, MayFail: 1, Members: []serve.Member{{Name: "a", Address: "h:1", Heard: &ago}, {Name: "b", Address: "h:2"}, {Name: "d", Address: "h:4", Heard: &ago, Lag: 7}}}
	text := strings.Join(MemberLines(false, m), "\n")
	for _, want := range []string{"view 3: 3 members; 2 decide", "1 may be gone at a time", "a       h:1      now       0", "b       h:2      never     0", "d       h:4      now       7"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	m.Members = append(m.Members, serve.Member{Name: "e", Address: "h:5", Role: "learner", Heard: &ago, Lag: 9})
	if text := strings.Join(MemberLines(false, m), "\n"); !strings.Contains(text, "3 members") || !strings.Contains(text, "e       h:5      learner     9") {
		t.Error(text)
	}
	m.MayFail = 0
	if text := strings.Join(MemberLines(false, m), "\n"); !strings.Contains(text, "none may be gone") {
		t.Error(text)
	}
	if lines := MemberLines(false, &serve.Membership{}); len(lines) != 1 || lines[0] != "the members have not met yet" {
		t.Errorf("%q", lines)
	}
}

func TestStatusSaysWhatTheDiskDamaged(t *testing.T) {
	whole, mended, damaged := answer(100, 0.1), answer(100, 0.1), answer(100, 0.1)
	mended.Mended, damaged.Mended, damaged.Damage = 2, 2, "position 7 is damaged on disk here: no peer has it"
	for s, want := range map[*serve.Status]string{
		whole: "settled 100", mended: "its disk has damaged what it holds: 2 pieces put back; look at the disk",
		damaged: "its disk has damaged an entry: position 7 is damaged on disk here: no peer has it",
	} {
		if lines := StatusLines(false, s); !strings.HasPrefix(lines[1], want) {
			t.Errorf("%q, want %q", lines[1], want)
		}
	}
}
