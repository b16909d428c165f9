package term

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFiguresAreShort(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 12345678: "12,345,678"} {
		if got := Grouped(n); got != want {
			t.Errorf("%d is %q", n, got)
		}
	}
	for rate, want := range map[float64]string{0: "0 /s", 42: "42 /s", 1234: "1.23 k/s", 5e6: "5 M/s", 2.5e9: "2.5 G/s"} {
		if got := PerSecond(rate); got != want {
			t.Errorf("%v is %q, want %q", rate, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		time.Hour: "1h", time.Minute: "1m", 90 * time.Second: "1m30s", 0: "0s", time.Second: "1s", 10 * time.Minute: "10m",
	} {
		if got := Short(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	for done, want := range map[float64]string{-1: "    ", 0: "    ", 0.5: "██  ", 0.53125: "██▏ ", 1: "████", 2: "████"} {
		if got := Bar(done, 4); got != want {
			t.Errorf("%v is %q, want %q", done, got, want)
		}
	}
}

func TestColoursTakeNoColumns(t *testing.T) {
	painted := Style(true).Good("four")
	if got := Columns(painted); got != 4 {
		t.Errorf("%q has %d columns", painted, got)
	}
	if got := Pad(painted, -6); got != "  "+painted {
		t.Errorf("padded on the left: %q", got)
	}
	if got := Cut("a"+painted, 3); got != "a\x1b[32mfo\x1b[0m" {
		t.Errorf("cut: %q", got)
	}
	if got := Style(false).Bad("plain"); got != "plain" {
		t.Errorf("without colours: %q", got)
	}
}

func TestScreenIsDrawnOverItself(t *testing.T) {
	var out bytes.Buffer
	s := NewScreen(&out, true, func() Size { return Size{Columns: 6, Lines: 24} })
	s.Draw([]string{"one", "two two"})
	s.Say("said")
	s.Clear()
	want := "one\x1b[K\ntwo t\x1b[0m\x1b[K\n" + "\x1b[2A\rsaid\x1b[K\none\x1b[K\ntwo t\x1b[0m\x1b[K\n" + "\x1b[2A\r\x1b[J"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestScreenOnlySaysWhereThereIsNoTerminal(t *testing.T) {
	var out bytes.Buffer
	s := NewScreen(&out, false, nil)
	s.Draw([]string{"progress"})
	s.Say("said")
	s.Clear()
	if out.String() != "said\n" {
		t.Errorf("%q", out.String())
	}
}

func TestSpeedIsAMovingAverage(t *testing.T) {
	var s Speed
	start := time.Unix(100, 0)
	for i, count := range []uint64{0, 100, 200, 300} {
		s.Observe(count, start.Add(time.Duration(i)*time.Second))
	}
	if s.Rate != 87.5 {
		t.Errorf("rate %v", s.Rate)
	}
	s.Observe(300_000, start.Add(3*time.Second+time.Millisecond)) // two at once tell nothing
	if s.Rate != 87.5 {
		t.Errorf("rate %v", s.Rate)
	}
	s.Observe(7, start.Add(9*time.Second)) // a restarted member counts anew
	if s.Rate != 87.5 {
		t.Errorf("rate %v after a restart", s.Rate)
	}
}

func TestScreenFitsIntoTheTerminal(t *testing.T) {
	for _, size := range []Size{{Columns: 20, Lines: 5}, {Columns: 3, Lines: 1}, {Columns: 1, Lines: 2}, {Columns: 400, Lines: 100}} {
		var out bytes.Buffer
		s := NewScreen(&out, true, func() Size { return size })
		lines := make([]string, 30)
		for i := range lines {
			lines[i] = Style(true).Good(strings.Repeat("x", 50))
		}
		s.Draw(lines)
		drawn := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if most := max(size.Lines-2, 1); len(drawn) > most {
			t.Errorf("%v: %d lines, where %d fit", size, len(drawn), most)
		}
		for _, line := range drawn {
			if got := Columns(strings.TrimSuffix(line, "\x1b[K")); got >= size.Columns {
				t.Errorf("%v: a line of %d columns", size, got)
			}
		}
		if cropped := len(drawn) < len(lines); cropped && size.Columns > 10 && !strings.Contains(out.String(), "lines more") {
			t.Errorf("%v: nothing says that lines are missing:\n%s", size, out.String())
		}
	}
}
