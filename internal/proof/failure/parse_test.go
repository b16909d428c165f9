package failure_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/draw"
	"chatterbox/internal/proof/failure"
)

// TestParse tells what becomes of maps, right and wrong.
func TestParse(t *testing.T) {
	datadriven.RunTest(t, "testdata/parse", func(_ *testing.T, d *datadriven.TestData) string {
		m, err := failure.Parse(strings.NewReader(d.Input), "map.txt")
		if err != nil {
			return err.Error()
		}
		return m.String()
	})
}

// same compares maps but for where they were written.
func same(a, b failure.Map) string {
	return cmp.Diff(a, b, cmpopts.IgnoreFields(failure.Event{}, "Source", "Column"), cmpopts.EquateEmpty())
}

func parse(t interface{ Fatalf(string, ...any) }, text string) failure.Map {
	m, err := failure.Parse(strings.NewReader(text), "map.txt")
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return m
}

func TestMapWrittenIsMapRead(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		m := drawMap(t)
		if diff := same(m, parse(t, m.String())); diff != "" {
			t.Fatalf("%s\n%s", m, diff)
		}
		for _, event := range m {
			if diff := same(failure.Map{event}, parse(t, event.String())); diff != "" {
				t.Fatalf("%s\n%s", event, diff)
			}
		}
	})
}

func drawMap(t *rapid.T) failure.Map {
	return rapid.SliceOfN(rapid.Custom(drawEvent), 0, 8).Draw(t, "map")
}

func drawEvent(t *rapid.T) failure.Event {
	e := failure.Event{At: drawTime(t), From: drawGroup(t)}
	if rapid.Bool().Draw(t, "repeated") {
		e.Every = max(drawTime(t), 1)
		e.Until = e.At + max(e.Every*time.Duration(rapid.IntRange(0, 9).Draw(t, "times")), 1)
	}
	if rapid.Bool().Draw(t, "member") {
		e.Action = rapid.SampledFrom([]failure.Action{
			failure.Crash, failure.Kill, failure.CrashLosingData, failure.CrashRestoring, failure.Pause, failure.Resume, failure.Restart, failure.Start, failure.Clock,
		}).Draw(t, "action")
		switch e.Action {
		case failure.Clock:
			e.Percent = rapid.Float64Range(10, 1000).Draw(t, "percent")
		case failure.CrashRestoring:
			e.Age = drawTime(t)
		}
		return e
	}
	drawLinkEvent(t, &e)
	return e
}

func drawLinkEvent(t *rapid.T, e *failure.Event) {
	e.Arrow = rapid.SampledFrom([]failure.Arrow{failure.OneWay, failure.BothWays}).Draw(t, "arrow")
	e.To = rapid.Custom(drawGroup).Filter(func(g failure.Group) bool { return !oneMember(e.From, g) }).Draw(t, "to")
	failures := []failure.Action{failure.Cut, failure.Drop, failure.Delay, failure.Rate, failure.Repeat, failure.Reorder}
	e.Action = rapid.SampledFrom(append(failures, failure.Heal)).Draw(t, "action")
	switch e.Action {
	case failure.Drop, failure.Repeat, failure.Reorder:
		e.Percent = rapid.Float64Range(0, 100).Draw(t, "percent")
	case failure.Delay:
		e.DelayMin = drawTime(t)
		e.DelayMax = max(e.DelayMin, drawTime(t))
	case failure.Rate:
		e.BytesPerSecond = rapid.OneOf(rapid.Int64Range(1, 1e12), rapid.SampledFrom([]int64{1000, 625_000, 1 << 20, 1e9})).Draw(t, "rate")
	case failure.Heal:
		e.Only = rapid.SampledFrom(append(failures, 0)).Draw(t, "only")
	}
}

// oneMember reports whether all names of both groups are of one member.
func oneMember(a, b failure.Group) bool {
	called := map[string]bool{}
	for _, name := range append(slices.Clone(a.Names), b.Names...) {
		switch name { // what members are called by number
		case "1":
			name = "a"
		case "5":
			name = "e"
		}
		called[name] = true
	}
	return !a.All && !b.All && len(called) == 1
}

func drawTime(t *rapid.T) time.Duration {
	unit := rapid.SampledFrom([]time.Duration{1, time.Microsecond, time.Millisecond, time.Second, time.Minute, time.Hour})
	return time.Duration(rapid.IntRange(0, 90).Draw(t, "time")) * unit.Draw(t, "unit")
}

func drawGroup(t *rapid.T) failure.Group {
	name := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "1", "5"})
	g := failure.Group{All: rapid.Bool().Draw(t, "all")}
	least := 1
	if g.All {
		least = 0
	}
	g.Names = rapid.SliceOfN(name, least, 3).Draw(t, "names")
	return g
}

func TestParseHasLimits(t *testing.T) {
	long := "# " + strings.Repeat("x", 1<<20)
	if _, err := failure.Parse(strings.NewReader(long), "map.txt"); err == nil || !strings.Contains(err.Error(), "at most 1 MiB") {
		t.Errorf("a map of more than 1 MiB gives %v", err)
	}
	word := strings.Repeat("x", 1<<19)
	if _, err := failure.Parse(strings.NewReader("0s a "+word+"\n"+word), "map.txt"); err == nil || len(err.Error()) > 1000 {
		t.Errorf("a word of 512 KiB gives an error of %d bytes", len(err.Error()))
	}
	broken := errors.New("broken disk")
	if _, err := failure.Parse(iotest.ErrReader(broken), "map.txt"); !errors.Is(err, broken) {
		t.Errorf("a reader's error becomes %v", err)
	}
	many := parse(t, strings.Repeat("0s every 1ms until 10s a crash\n", 11))
	if _, err := many.Bind(letters(1)); err == nil || !strings.Contains(err.Error(), "110000 times in all, at most 100000") {
		t.Errorf("a map of 110,000 moments gives %v", err)
	}
}

// letters returns a list of members called a, b, c and so on.
func letters(members int) member.List {
	list := make(member.List, members)
	for i := range list {
		list[i] = member.Member{Name: member.Letter(member.ID(i)), Host: "127.0.0.1", Port: 1 + i}
	}
	return list
}

// FuzzParse: whatever the bytes, there is an error that names the file, or a
// map that is written and read back the same and binds unless it names
// strangers, or one member by his name and by his place as both ends of a link.
func FuzzParse(f *testing.F) {
	for _, shipment := range failure.Shipped() {
		f.Add([]byte(shipment.Text))
	}
	f.Add([]byte("version 1\n1s every 1s until 9s * except a,2 <-> b rate 1.5Mbit/s\n0s a crash losing data\n1us * -> * heal drop"))
	f.Add([]byte("0s a, ,b -> * delay 5ms..\xff\n0s every every until"))
	f.Add([]byte("1s 1 <-> a cut"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := failure.Parse(strings.NewReader(string(data)), "map.txt")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "map.txt:") || m != nil {
				t.Fatalf("map %v, error %v", m, err)
			}
			return
		}
		if diff := same(m, parse(t, m.String())); diff != "" {
			t.Fatalf("%s\n%s", m, diff)
		}
		_, err = m.Bind(letters(5))
		if err == nil {
			return
		}
		for _, reason := range []string{"no member is called", "are the same member", "times in all"} {
			if strings.Contains(err.Error(), reason) {
				return
			}
		}
		t.Fatal(err)
	})
}

// TestOtherEncodings: a byte-order mark does not matter, UTF-16 is named.
func TestOtherEncodings(t *testing.T) {
	m, err := failure.Parse(strings.NewReader("\xef\xbb\xbfversion 1\n1s a <-> b cut\n"), "map.txt")
	if err != nil || len(m) != 1 {
		t.Errorf("a map with a mark: %v, %v", m, err)
	}
	_, err = failure.Parse(strings.NewReader("\xff\xfe1\x00s\x00"), "map.txt")
	if err == nil || !strings.Contains(err.Error(), "map.txt: the text is UTF-16") {
		t.Errorf("error %v", err)
	}
}

func TestForceIsReadAndWritten(t *testing.T) {
	const line = "4s a evict b force"
	m, err := failure.Parse(strings.NewReader(line), "map.txt")
	if err != nil || len(m) != 1 || m[0].Action != failure.Force || m[0].Whom != "b" {
		t.Fatalf("%v: %+v", err, m)
	}
	again, err := failure.Parse(strings.NewReader(m.String()), "map.txt")
	if err != nil || len(again) != 1 || again[0].Action != failure.Force || m.WithoutChanges() == nil {
		t.Errorf("%q: %v: %+v", m.String(), err, again)
	}
}
