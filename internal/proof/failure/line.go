package failure

import (
	"fmt"
	"strings"
	"time"

	"chatterbox/internal/core/member"
)

// lineParser reads the words of one line. After the first mistake, which it
// keeps in err as "column: text", it sees nothing but the end.
type lineParser struct {
	words []word // the last is the end
	err   error
}

func (p *lineParser) peek() word { return p.words[0] }

func (p *lineParser) next() word {
	w := p.words[0]
	if w.text != "" {
		p.words = p.words[1:]
	}
	return w
}

// accept takes the next word if it is text.
func (p *lineParser) accept(text string) bool {
	if p.peek().text != text {
		return false
	}
	p.next()
	return true
}

func (p *lineParser) fail(w word, format string, args ...any) {
	if p.err != nil {
		return
	}
	p.err = fmt.Errorf("%d: %s", w.column, fmt.Sprintf(format, args...))
	p.words = p.words[len(p.words)-1:]
}

// found returns what stands there instead of what was expected.
func (w word) found() string {
	if w.text == "" {
		return "found the end of the line"
	}
	if len(w.text) > quoteMax {
		return fmt.Sprintf("found %q…", w.text[:quoteMax])
	}
	return fmt.Sprintf("found %q", w.text)
}

func (p *lineParser) version() {
	p.next()
	if w := p.next(); w.text != Version {
		p.fail(w, "expected version %s, the one that this program knows, %s", Version, w.found())
	}
	p.end()
}

func (p *lineParser) end() {
	if w := p.peek(); w.text != "" {
		p.fail(w, "expected the end of the line, %s", w.found())
	}
}

// event reads: time [every time until time] group [arrow group] action.
func (p *lineParser) event() Event {
	var e Event
	e.At = p.duration()
	p.repetition(&e)
	p.where(&e)
	p.action(&e)
	p.end()
	return e
}

func (p *lineParser) duration() time.Duration {
	w := p.next()
	d, err := parseDuration(w.text)
	if err != nil {
		p.fail(w, "%v, %s", err, w.found())
	}
	return d
}

func (p *lineParser) repetition(e *Event) {
	if !p.accept("every") {
		return
	}
	w := p.peek()
	if e.Every = p.duration(); e.Every == 0 {
		p.fail(w, "expected a time above 0s, %s", w.found())
	}
	if w = p.peek(); !p.accept("until") {
		p.fail(w, `expected "until" and a time, %s`, w.found())
	}
	w = p.peek()
	e.Until = p.duration()
	switch {
	case p.err != nil:
	case e.Until <= e.At:
		p.fail(w, "expected a time after %s, %s", formatDuration(e.At), w.found())
	case e.times() > repeatsMax:
		p.fail(w, "this line happens %d times, expected at most %d", e.times(), repeatsMax)
	}
}

// times returns how often the event happens.
func (e *Event) times() int64 {
	if e.Every <= 0 {
		return 1
	}
	return int64((e.Until-e.At-1)/e.Every) + 1
}

func (p *lineParser) where(e *Event) {
	start := p.peek()
	e.From = p.group()
	switch {
	case p.accept(OneWay.String()):
		e.Arrow = OneWay
	case p.accept(BothWays.String()):
		e.Arrow = BothWays
	default:
		return
	}
	e.To = p.group()
	if !e.From.All && !e.To.All && len(e.From.Names) == 1 && e.From.String() == e.To.String() {
		p.fail(start, "expected a link between two members, found %s %s %s", e.From, e.Arrow, e.To)
	}
}

// group reads: "*", "* except a,b" or "a,b".
func (p *lineParser) group() Group {
	var g Group
	expected := "a member's name, letter or number, or *"
	if p.accept("*") {
		g.All = true
		if !p.accept("except") {
			return g
		}
		expected = "the name, letter or number of a member"
	}
	g.Names = append(g.Names, p.name(expected))
	for p.accept(",") {
		g.Names = append(g.Names, p.name("the name, letter or number of a member"))
	}
	return g
}

func (p *lineParser) name(expected string) string {
	w := p.next()
	arrow := w.text == OneWay.String() || w.text == BothWays.String()
	switch err := member.CheckName(w.text); {
	case err == nil:
	case w.text == "" || w.text == "," || w.text == "*" || arrow:
		p.fail(w, "expected %s, %s", expected, w.found())
	case strings.Contains(w.text, "->"):
		p.fail(w, "expected spaces around the arrow, %s", w.found())
	default:
		p.fail(w, "%v", err)
	}
	return w.text
}
