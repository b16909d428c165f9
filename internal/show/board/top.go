package board

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"chatterbox/internal/serve"
	"chatterbox/internal/term"
)

// Top shows how a served member is, again and again: as lines that are drawn
// over themselves on a terminal, with what happens said above them, or else as
// one block of text after the other.
type Top struct {
	screen *term.Screen
	style  term.Style
	print  func(lines []string) // nil: there is a terminal

	before   *serve.Status
	rates    struct{ held, settled, own term.Speed }
	answered time.Time // when it answered last
	lost     bool      // it does not answer
	waits    time.Time // since when settling waits; zero: it does not
	silent   []string
}

// NewTop makes one that draws on screen, or, if printed is not nil, gives each
// block of lines to that.
func NewTop(screen *term.Screen, style term.Style, printed func(lines []string)) *Top {
	return &Top{screen: screen, style: style, print: printed}
}

// Show takes in how the member is at a time.
func (t *Top) Show(s *serve.Status, at time.Time) {
	if t.lost {
		t.say(at, t.style.Good(fmt.Sprintf("%s answers again, after %s", s.Name, term.Tenths(at.Sub(t.answered)))))
	}
	t.lost, t.answered = false, at
	t.rates.held.Observe(uint64(s.Settled)+uint64(s.Tentative), at)
	t.rates.settled.Observe(uint64(s.Settled), at)
	t.rates.own.Observe(s.Accepted, at)
	t.happens(s, at)
	t.draw(t.lines(s, at))
	t.before = s
}

// Lost takes in that the member does not answer, and why.
func (t *Top) Lost(why error, at time.Time) {
	if t.before == nil {
		return
	}
	if !t.lost {
		t.lost = true
		if request := (*url.Error)(nil); errors.As(why, &request) {
			why = request.Err // whom was asked is known
		}
		t.say(at, t.style.Bad(fmt.Sprintf("%s does not answer: %v", t.before.Name, why)))
	}
	head := t.style.Bad(fmt.Sprintf("%s has not answered for %s; this is how it was then", t.before.Name, term.Tenths(at.Sub(t.answered))))
	t.draw(append([]string{head}, StatusLines(t.style, t.before)...))
}

func (t *Top) draw(lines []string) {
	if t.print != nil {
		t.print(lines)
		return
	}
	t.screen.Draw(append([]string{""}, lines...))
}

// say says above the lines what happened. Without a terminal each block says it
// by itself.
func (t *Top) say(at time.Time, text string) {
	if t.print == nil {
		t.screen.Say(t.style.Faint(at.Format(time.TimeOnly)) + " " + text)
	}
}

// happens says what has changed since the last time.
func (t *Top) happens(s *serve.Status, at time.Time) {
	if t.before != nil && s.View != t.before.View && t.before.View > 0 {
		t.say(at, t.style.Good(fmt.Sprintf("view %d: the members are %s", s.View, strings.Join(membersOf(s), ", "))))
	}
	silent := silentOnes(s)
	for _, name := range silent {
		if !slices.Contains(t.silent, name) && t.before != nil {
			t.say(at, t.style.Warn(name+" is not heard any more"+after(": ", troubleOf(s, name))))
		}
	}
	for _, name := range t.silent {
		if !slices.Contains(silent, name) && slices.Contains(membersOf(s), name) {
			t.say(at, t.style.Good(name+" is heard again"))
		}
	}
	t.silent = silent
	switch held := len(s.HeldUpBy) > 0; {
	case held && t.waits.IsZero():
		t.waits = at.Add(-time.Duration(s.HeldUpBy[0].Since * float64(time.Second)))
		t.say(at, t.style.Warn("settling waits for "+heldUpBy(s)))
	case !held && !t.waits.IsZero():
		t.say(at, t.style.Good("settling goes on, after "+term.Tenths(at.Sub(t.waits))))
		t.waits = time.Time{}
	}
}

// silentAfter is how long a member may say nothing before it is not heard.
const silentAfter = 1.0 // seconds

// membersOf returns the names of the members of the view.
func membersOf(s *serve.Status) (names []string) {
	for i := range s.Members {
		if m := &s.Members[i]; m.Counts() {
			names = append(names, m.Name)
		}
	}
	return names
}

func silentOnes(s *serve.Status) []string {
	var names []string
	for i := range s.Members {
		if m := &s.Members[i]; m.Name != s.Name && m.Counts() && m.Heard != nil && *m.Heard >= silentAfter {
			names = append(names, m.Name)
		}
	}
	return names
}

func troubleOf(s *serve.Status, name string) string {
	for i := range s.Members {
		if s.Members[i].Name == name {
			return s.Members[i].Trouble
		}
	}
	return ""
}

func heldUpBy(s *serve.Status) string {
	var names []string
	for _, who := range s.HeldUpBy {
		names = append(names, who.Name)
	}
	return strings.Join(names, ", ")
}

// lines are those of the status, with the time and the rates since the last
// one.
func (t *Top) lines(s *serve.Status, at time.Time) []string {
	lines := StatusLines(t.style, s)
	if t.before == nil {
		return lines
	}
	rates := fmt.Sprintf("%s  written %s, by this member %s, settled %s", t.style.Faint(at.Format(time.TimeOnly)),
		term.PerSecond(t.rates.held.Rate), term.PerSecond(t.rates.own.Rate), term.PerSecond(t.rates.settled.Rate))
	return slices.Insert(lines, 1, rates)
}

// StatusLines returns first what is the matter with a served member, then how each
// member is.
func StatusLines(style term.Style, s *serve.Status) []string {
	verdict := s.Name + ": " + style.Good("ready") + ": entries settle"
	if !s.Ready {
		verdict = s.Name + ": " + style.Warn("nothing settles") + ": " + s.Reason
	}
	lines := []string{verdict}
	if !s.Writable {
		lines = append(lines, style.Warn("it takes no entries")+": "+s.WhyNot)
	}
	switch {
	case s.Damage != "":
		lines = append(lines, style.Bad("its disk has damaged an entry")+": "+s.Damage)
	case s.Mended > 0:
		lines = append(lines, style.Warn("its disk has damaged what it holds")+": "+term.Plural(int(s.Mended), "piece")+" put back; look at the disk")
	}
	for _, who := range s.HeldUpBy {
		lines = append(lines, fmt.Sprintf("%s for %.1f s: %s", style.Warn("settling has waited for "+who.Name), who.Since, who.Command))
	}
	lines = append(lines, fmt.Sprintf("settled %s, stable %s, readable from %s, tentative %s, in memory %s",
		term.Grouped(uint64(s.Settled)), term.Grouped(uint64(s.Stable)), term.Grouped(uint64(s.Oldest)), term.Grouped(uint64(s.Tentative)), mebibytes(s.Bytes.Memory)))
	rows := [][]string{{"member", " settled", " lag", "heard", "address", "trouble"}}
	for i := range s.Members {
		rows = append(rows, statusRow(style, s, &s.Members[i]))
	}
	var table bytes.Buffer
	term.Table(&table, rows)
	return append(lines, strings.Split(strings.TrimSuffix(table.String(), "\n"), "\n")...)
}

// MemberLines returns who belongs to the cluster, and how many may fail.
func MemberLines(style term.Style, m *serve.Membership) []string {
	if m.View == 0 {
		return []string{style.Warn("the members have not met yet")}
	}
	rows := [][]string{{"member", "address", "heard", " lag"}}
	count := 0
	for i := range m.Members {
		one := &m.Members[i]
		if one.Counts() {
			count++
		}
		lag := term.Grouped(one.Lag)
		if one.Lag > 0 {
			lag = style.Warn(lag)
		}
		rows = append(rows, []string{style.Strong(one.Name), one.Address, heardText(style, one), lag})
	}
	var table bytes.Buffer
	term.Table(&table, rows)
	head := fmt.Sprintf("view %d: %s; %d decide on a change, %d must hold an entry before it settles", m.View, term.Plural(count, "member"), m.Quorum, m.Holders)
	fail := fmt.Sprintf("%d may be gone at a time, and the others can go on without them", m.MayFail)
	switch {
	case count == 1:
		fail = "it is alone"
	case m.MayFail == 0:
		fail = style.Warn("none may be gone") + ": the others could not go on without it"
	}
	return append([]string{head, fail}, strings.Split(strings.TrimSuffix(table.String(), "\n"), "\n")...)
}

func statusRow(style term.Style, s *serve.Status, m *serve.Member) []string {
	heard := heardText(style, m)
	switch {
	case m.Name == s.Name:
		heard = "itself"
	case !m.Counts():
		heard = style.Faint(m.Role)
	}
	lag := term.Grouped(m.Lag)
	if m.Lag > 0 {
		lag = style.Warn(lag)
	}
	return []string{style.Strong(m.Name), term.Grouped(uint64(m.Settled)), lag, heard, m.Address, m.Trouble}
}

// heardText returns when a member was heard last.
func heardText(style term.Style, m *serve.Member) string {
	switch {
	case !m.Counts():
		return style.Faint(m.Role)
	case m.Heard == nil:
		return style.Warn("never")
	case *m.Heard < silentAfter:
		return style.Good("now")
	case m.Stopped:
		return fmt.Sprintf("stopped, %.1f s ago", *m.Heard)
	}
	return style.Warn(fmt.Sprintf("%.1f s ago", *m.Heard))
}

func mebibytes(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }
