package failure_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/draw"
	"chatterbox/internal/proof/failure"
)

// TestSchedule tells what maps come to for the members of a list.
func TestSchedule(t *testing.T) {
	var list member.List
	datadriven.RunTest(t, "testdata/schedule", func(t *testing.T, d *datadriven.TestData) string {
		if d.Cmd == "list" {
			var err error
			if list, err = member.ParseList(strings.NewReader(d.Input), "peers.json"); err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintln(list)
		}
		s, err := parse(t, d.Input).Bind(list)
		switch {
		case err != nil:
			return err.Error()
		case d.Cmd == "links":
			return describeLinks(s, len(list))
		default:
			return describeMembers(s, len(list))
		}
	})
}

// describeLinks lists the links that fail, at each change; links that fail in
// the same way stand in one line.
func describeLinks(s *failure.Schedule, members int) string {
	var text strings.Builder
	for at, more := s.Next(-1); more; at, more = s.Next(at) {
		fmt.Fprintf(&text, "%v\n", at)
		var order []failure.Link
		who := map[failure.Link]string{}
		for from := range member.ID(members) {
			for to := range member.ID(members) {
				link := s.Link(from, to, at)
				if link == (failure.Link{}) {
					continue
				}
				if who[link] == "" {
					order = append(order, link)
				}
				who[link] += " " + member.Letter(from) + member.Letter(to)
			}
		}
		for _, link := range order {
			fmt.Fprintf(&text, " %s:%s\n", describeLink(link), who[link])
		}
		if len(order) == 0 {
			text.WriteString("  all is well\n")
		}
	}
	return text.String()
}

func describeLink(l failure.Link) string {
	var text strings.Builder
	for _, part := range []struct {
		show   bool
		format string
		value  any
	}{
		{l.Cut, " %v", "cut"},
		{l.Drop > 0, " drop %v", l.Drop},
		{l.Repeat > 0, " repeat %v", l.Repeat},
		{l.Reorder > 0, " reorder %v", l.Reorder},
		{l.DelayMax > 0, " delay %v", fmt.Sprint(l.DelayMin, "-", l.DelayMax)},
		{l.BytesPerSecond > 0, " %v B/s", l.BytesPerSecond},
	} {
		if part.show {
			fmt.Fprintf(&text, part.format, part.value)
		}
	}
	return text.String()
}

func describeMembers(s *failure.Schedule, members int) string {
	var text strings.Builder
	for id := range member.ID(members) {
		if s.Absent(id) {
			fmt.Fprintf(&text, "%s is absent\n", member.Letter(id))
		}
	}
	for _, e := range s.Members() {
		fmt.Fprintf(&text, "%v %s %v", e.At, member.Letter(e.Member), e.Action)
		if e.Action == failure.Clock {
			fmt.Fprintf(&text, " %v", e.Speed)
		}
		text.WriteString("\n")
	}
	return text.String()
}

// TestScheduleIsWhatTheMapSays compares the compiled tables with a slow and
// obvious second reading: for one link and one time, all moments in order.
func TestScheduleIsWhatTheMapSays(t *testing.T) {
	list := letters(5)
	draw.Check(t, func(t *rapid.T) {
		m := drawMap(t)
		s, err := m.Bind(list)
		if err != nil {
			t.Fatal(err)
		}
		at := drawTime(t)
		if len(m) > 0 && rapid.Bool().Draw(t, "at an event") {
			at = m[0].At
		}
		for from := range member.ID(5) {
			for to := range member.ID(5) {
				got, want := s.Link(from, to, at), slowLink(m, list, from, to, at)
				if got != want {
					t.Fatalf("%s%d to %d at %v: %+v, want %+v", m, from, to, at, got, want)
				}
				if s.Reliable(from, to) && got.Drop+got.Repeat+got.Reorder > 0 {
					t.Fatalf("%s%d to %d is said to be reliable", m, from, to)
				}
			}
		}
	})
}

func slowLink(m failure.Map, list member.List, from, to member.ID, at time.Duration) failure.Link {
	type moment struct {
		at    time.Duration
		event failure.Event
	}
	var moments []moment
	for _, e := range m {
		if e.Arrow == failure.NoLink || from == to || !touches(e, list, from, to) {
			continue
		}
		for when := e.At; when <= at && (when == e.At || e.Every > 0 && when < e.Until); when += e.Every {
			place := len(moments)
			for place > 0 && moments[place-1].at > when {
				place--
			}
			moments = append(moments[:place:place], append([]moment{{when, e}}, moments[place:]...)...)
			if e.Every == 0 {
				break
			}
		}
	}
	var link failure.Link
	for _, moment := range moments {
		happen(&link, moment.event)
	}
	return link
}

func touches(e failure.Event, list member.List, from, to member.ID) bool {
	return within(e.From, list, from) && within(e.To, list, to) ||
		e.Arrow == failure.BothWays && within(e.From, list, to) && within(e.To, list, from)
}

func within(g failure.Group, list member.List, id member.ID) bool {
	for _, name := range g.Names {
		if named, _ := list.Named(name); named == id {
			return !g.All
		}
	}
	return g.All
}

func happen(l *failure.Link, e failure.Event) {
	action, value := e.Action, e
	if e.Action == failure.Heal {
		if e.Only == 0 {
			*l = failure.Link{}
			return
		}
		action, value = e.Only, failure.Event{}
	}
	switch action {
	case failure.Cut:
		l.Cut = e.Action == failure.Cut
	case failure.Drop:
		l.Drop = value.Percent / 100
	case failure.Repeat:
		l.Repeat = value.Percent / 100
	case failure.Reorder:
		l.Reorder = value.Percent / 100
	case failure.Delay:
		l.DelayMin, l.DelayMax = value.DelayMin, value.DelayMax
	case failure.Rate:
		l.BytesPerSecond = value.BytesPerSecond
	}
}

// TestNothingChangesBetweenChanges: Next misses no change, and Last is the end.
func TestNothingChangesBetweenChanges(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		s, err := drawMap(t).Bind(letters(5))
		if err != nil {
			t.Fatal(err)
		}
		at := time.Duration(-1)
		for next, more := s.Next(at); more; next, more = s.Next(at) {
			if next <= at {
				t.Fatalf("after %v comes %v", at, next)
			}
			if at >= 0 && links(s, 5, at) != links(s, 5, next-1) {
				t.Fatalf("links change between %v and %v", at, next)
			}
			at = next
		}
		if max(at, 0) != s.Last() || links(s, 5, s.Last()) != links(s, 5, 1000*time.Hour) {
			t.Fatalf("the last change is at %v, not %v", s.Last(), at)
		}
	})
}

func links(s *failure.Schedule, members member.ID, at time.Duration) (all [25]failure.Link) {
	for from := range members {
		for to := range members {
			all[int(from)*int(members)+int(to)] = s.Link(from, to, at)
		}
	}
	return all
}

// TestLivesMakeSense: only a running member is killed, paused and so on; the
// machine of a killed one may fail.
func TestLivesMakeSense(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		m := drawMap(t)
		s, err := m.Bind(letters(5))
		if err != nil {
			t.Fatal(err)
		}
		checkLives(t, s, 5)
	})
}

func checkLives(t interface{ Fatalf(string, ...any) }, s *failure.Schedule, members int) (running, paused map[member.ID]bool) {
	running, paused = map[member.ID]bool{}, map[member.ID]bool{}
	lived, killed := map[member.ID]bool{}, map[member.ID]bool{}
	for id := range member.ID(members) {
		running[id], lived[id] = !s.Absent(id), !s.Absent(id)
	}
	var before time.Duration
	for _, e := range s.Members() {
		sound := e.At >= before
		before = e.At
		switch e.Action {
		case failure.Crash, failure.Kill, failure.CrashLosingData, failure.CrashRestoring:
			sound = sound && (running[e.Member] || killed[e.Member] && e.Action != failure.Kill)
			running[e.Member], paused[e.Member], killed[e.Member] = false, false, e.Action == failure.Kill
		case failure.Pause:
			sound = sound && running[e.Member] && !paused[e.Member]
			paused[e.Member] = true
		case failure.Resume:
			sound = sound && paused[e.Member]
			paused[e.Member] = false
		case failure.Start, failure.Restart:
			sound = sound && !running[e.Member] && lived[e.Member] == (e.Action == failure.Restart)
			running[e.Member], lived[e.Member], killed[e.Member] = true, true, false
		case failure.Clock:
			sound = sound && e.Speed > 0
		default:
			sound = false
		}
		if !sound {
			t.Fatalf("%+v makes no sense in %+v", e, s.Members())
		}
	}
	return running, paused
}

// TestBindChecksMapsMadeByHand: they obey the rules of the text form.
func TestBindChecksMapsMadeByHand(t *testing.T) {
	all := failure.Group{All: true}
	for want, event := range map[string]failure.Event{
		"expected a member's name":                  {Arrow: failure.OneWay, To: all, Action: failure.Cut},
		"expected the end of the line":              {From: failure.Group{Names: []string{"a crash"}}, Action: failure.Crash},
		`found "Action(0)"`:                         {From: all},
		"crash happens to members":                  {From: all, Arrow: failure.OneWay, To: all, Action: failure.Crash},
		"expected a share from 0% to 100%":          {From: all, Arrow: failure.OneWay, To: all, Action: failure.Drop, Percent: 101},
		"expected a rate":                           {From: all, Arrow: failure.OneWay, To: all, Action: failure.Rate},
		"expected a time from 0s":                   {At: -1, From: all, Action: failure.Crash},
		"expected a time above 0s":                  {Until: time.Second, From: all, Action: failure.Crash},
		`expected the end of the line, or which`:    {From: all, Arrow: failure.OneWay, To: all, Action: failure.Heal, Only: failure.Crash},
		"this line happens 3600000000 times":        {Every: 1000, Until: time.Hour, From: all, Action: failure.Crash},
		`no member is called "z": use a name, a le`: {From: failure.Group{Names: []string{"z"}}, Action: failure.Crash},
	} {
		if _, err := (failure.Map{event}).Bind(letters(2)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v gives %v, want: %s", event, err, want)
		}
	}
}

// TestThousandMembersShareTables: what a large cluster costs is what its map
// tells apart, not the number of its links.
func TestThousandMembersShareTables(t *testing.T) {
	var text strings.Builder
	for i := range 1000 { // a ring
		fmt.Fprintf(&text, "0s %d -> * except %d,%d cut\n", i+1, (i+1)%1000+1, (i+999)%1000+1)
	}
	s, err := parse(t, text.String()).Bind(letters(1000))
	if err != nil {
		t.Fatal(err)
	}
	for from := range 1000 {
		for _, step := range []int{1, 2, 500, 998, 999} {
			neighbours := step == 1 || step == 999
			if s.Link(member.ID(from), member.ID((from+step)%1000), 0).Cut == neighbours {
				t.Fatalf("%d and the member %d after it", from, step)
			}
		}
	}
}

func TestLinkAllocatesNothing(t *testing.T) {
	s, err := parse(t, "0s every 10ms until 10s * -> * drop 1%\n5ms every 10ms until 10s a <-> b cut").Bind(letters(5))
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { s.Link(0, 1, 3*time.Second) }); n != 0 {
		t.Errorf("%v allocations a call", n)
	}
}

func BenchmarkLink(b *testing.B) {
	s, err := parse(b, "0s every 10ms until 10s * -> * drop 1%\n5ms every 10ms until 10s a <-> b heal").Bind(letters(5))
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		s.Link(0, 1, time.Duration(i%10000)*time.Millisecond)
	}
}

// TestLinesTakeEffectAsOftenAsTheySay, in order of time, and at the same time
// in that of the map.
func TestLinesTakeEffectAsOftenAsTheySay(t *testing.T) {
	schedule, err := parse(t, "1s every 1s until 3s a -> b cut\n1500ms every 1s until 3s a -> b heal\n1s b crash").Bind(letters(2))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range schedule.Lines() {
		_, what, _ := strings.Cut(line.Text, " a -> b ")
		got = append(got, line.At.String()+" "+what)
	}
	if want := "1s cut, 1s , 1.5s heal, 2s cut, 2.5s heal"; strings.Join(got, ", ") != want {
		t.Errorf("lines %q, want %s", got, want)
	}
}

// TestLinkToOneselfIsRefused, whatever the member is called.
func TestLinkToOneselfIsRefused(t *testing.T) {
	list := member.List{{Name: "ann", Host: "h", Port: 1}, {Name: "b", Host: "h", Port: 2}}
	for text, wrong := range map[string]bool{
		"1s ann <-> 1 cut": true, "1s a -> 1 cut": true, "1s 2 <-> b,2 drop 5%": true,
		"1s ann,b <-> 1 cut": false, "1s * <-> a cut": false, "1s * except b <-> ann cut": false,
	} {
		m, err := failure.Parse(strings.NewReader(text), "map.txt")
		if err != nil {
			t.Fatal(err)
		}
		_, err = m.Bind(list)
		if told := err != nil && strings.Contains(err.Error(), "map.txt:1: ") && strings.Contains(err.Error(), "are the same member"); told != wrong {
			t.Errorf("%s: %v", text, err)
		}
	}
}
