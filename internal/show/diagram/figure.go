package diagram

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// drawLane draws a member's line and its name.
func (p *picture) drawLane(who member.ID) {
	y := p.l.y(who)
	for _, life := range livesOf(p.run, who) {
		from, to := p.l.inside(life.from), p.l.inside(min(life.to, p.view.To))
		if to > from || life.from == life.to {
			fmt.Fprintf(&p.under, `<line class="%s" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, life.class, p.l.x(from), p.l.x(to), y, y)
		}
	}
	name := p.run.names()[who]
	shown := clean(name, nameCharsMax)
	width := max(textWidth(shown)+14, 30)
	height := min(28.0, p.l.gap-3)
	x := p.l.left - 8 - width
	fmt.Fprintf(&p.dots, `<g><title>%s</title><rect class="f%d" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="%.1f"/>`, escape(name), colour(who), x, y-height/2, width, height, height/2)
	size := ""
	if p.l.gap < gapForCircles {
		size = ` style="font-size:11px"`
	}
	fmt.Fprintf(&p.dots, `<text class="who o%d" x="%.1f" y="%.1f"%s>%s</text></g>`, colour(who), x+width/2, y+.5, size, escape(shown))
}

// bar is a batch that a member holds and has not settled yet.
type bar struct {
	batch    *Batch
	from, to time.Duration
	settled  bool
	row      int // -1: there is no room
}

// placeBars finds rows below a member's line for the batches that are
// followed.
func (p *picture) placeBars(who member.ID) []bar {
	if p.l.gap < gapForLabels {
		return nil
	}
	var bars []bar
	var rows cursor
	for _, i := range p.followed {
		b := &p.run.Batches[i]
		held, settled := b.Held[who], b.Settled[who]
		if held < 0 || held > p.view.To || settled >= 0 && settled < p.view.From {
			continue
		}
		end := settled
		if settled < 0 {
			end = p.run.End
		}
		placed := bar{batch: b, from: p.l.inside(held), to: p.l.inside(end), settled: settled >= 0 && settled <= p.view.To}
		placed.row = rows.place(p.l.x(placed.from), p.l.x(placed.to)+barEnd, p.l.barRows())
		bars = append(bars, placed)
	}
	return bars
}

// barEnd is the room that the end of a bar takes, in pixels.
const barEnd = 7

// drawBars draws from when to when a member held each batch while it was not
// settled.
func (p *picture) drawBars(who member.ID) {
	for _, bar := range p.placeBars(who) {
		if bar.row < 0 {
			p.unbarred++
			continue
		}
		x1, x2, y, c := p.l.x(bar.from), p.l.x(bar.to), p.l.y(who)+barFirst+float64(bar.row)*barStep, colour(bar.batch.Stream)
		fmt.Fprintf(&p.spans, `<line class="wait s%d" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, c, x1, x2, y, y)
		if bar.settled {
			fmt.Fprintf(&p.spans, `<rect class="edge f%d" x="%.1f" y="%.1f" width="8" height="8" rx="1.5"/>`, c, x2-4, y-4)
		}
	}
}

// drawFrame draws a frame from its sender to its receiver, or to where it was
// lost, with a dot at either end.
func (p *picture) drawFrame(i int32) {
	f := &p.run.Frames[i]
	got := f.Got
	if got < 0 {
		got = f.Sent + max(p.run.usual, time.Millisecond)
	}
	w := way{p.l.x(f.Sent), p.l.y(f.From), p.l.x(got), p.l.y(f.To)}
	class, head := "frame row", "hr"
	dot := "restfill"
	for _, batch := range p.run.carries(f) {
		stream := p.run.Batches[batch].Stream
		class, head = fmt.Sprintf("frame s%d", colour(stream)), fmt.Sprintf("h%d", colour(stream))
		dot = fmt.Sprintf("cardfill ring s%d", colour(stream))
		break
	}
	switch {
	case f.Got >= 0:
		end := w.before(5)
		fmt.Fprintf(&p.lines, `<line class="%s" marker-end="url(#%s)" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, class, head, end.x1, end.y1, end.x2, end.y2)
		if got <= p.view.To {
			p.dot(w.x2, w.y2, dot)
		}
	default:
		end := p.lostAt(f, w)
		fmt.Fprintf(&p.lines, `<line class="%s gone" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, class, end.x1, end.y1, end.x2, end.y2)
		if p.run.lost(f) {
			fmt.Fprintf(&p.lines, `<path class="x bad" d="M%.1f %.1fl7 7m0-7l-7 7"/>`, end.x2-3.5, end.y2-3.5)
		}
	}
	if f.Sent >= p.view.From {
		fmt.Fprintf(&p.lines, `<circle class="ink" r="2.4" cx="%.1f" cy="%.1f"/>`, w.x1, w.y1)
	}
}

func (p *picture) dot(x, y float64, class string) {
	r := 3.2
	if class != "restfill" {
		r = 4.2
	}
	fmt.Fprintf(&p.dots, `<circle class="%s" r="%.1f" cx="%.1f" cy="%.1f"/>`, class, r, x, y)
}

// lostAt returns the part of its way that a lost frame is drawn: to the first
// wall that stands in it, else to between two lines half way.
func (p *picture) lostAt(f *Frame, w way) way {
	step, gaps := 1, int(f.To)-int(f.From)
	if gaps < 0 {
		step, gaps = -1, -gaps
	}
	for k := range gaps {
		gap := int(f.From) + step*k
		if step < 0 {
			gap--
		}
		for _, cut := range p.run.cuts {
			if cut.gap != gap || f.Sent < cut.from || f.Sent >= cut.to {
				continue
			}
			into := wallAfter - 6
			if step < 0 {
				into = wallBefore - 6
			}
			if p.l.gap < wallAfter+wallBefore+12 {
				into = p.l.gap * .2
			}
			w = w.part((float64(k) + into/p.l.gap) / float64(gaps))
			w.x2 = max(min(w.x2, p.l.x(cut.to)-4), w.x1) // it ran into the cut, however late
			return w
		}
	}
	return w.part((float64((gaps-1)/2) + .5) / float64(gaps))
}

// drawBatches marks where batches were written.
func (p *picture) drawBatches() {
	rows := make([]cursor, p.l.members)
	for _, i := range p.followed {
		b := &p.run.Batches[i]
		at := b.Held[b.Stream]
		if at < p.view.From || at > p.view.To {
			continue
		}
		x, y := p.l.x(at), p.l.y(b.Stream)
		text := p.run.short(b)
		width := textWidth(text) + 9
		middle := max(x, p.l.left+width/2-4) // clear of the name
		row := rows[b.Stream].place(middle-width/2, middle+width/2+1, labelRowsMax)
		if row == 0 && p.lifeAt(b.Stream, middle-width/2, middle+width/2) {
			row = 1
		}
		fmt.Fprintf(&p.dots, `<circle class="edge f%d" r="4.6" cx="%.1f" cy="%.1f"/>`, colour(b.Stream), x, y)
		if row < 0 || p.l.gap < gapForLabels {
			p.unlabelled++
			continue
		}
		top := y - labelLift - float64(row)*(labelHeight+1)
		if row > 0 {
			fmt.Fprintf(&p.lines, `<line class="s%d" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, colour(b.Stream), x, x, y, top)
		}
		fmt.Fprintf(&p.dots, `<g><title>%s</title><rect class="edge f%d" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="5"/><text class="label o%d" x="%.1f" y="%.1f">%s</text></g>`,
			escape(p.tells(i)), colour(b.Stream), middle-width/2, top-labelHeight/2, width, labelHeight, colour(b.Stream), middle, top+.5, escape(text))
	}
}

// lifeAt reports whether words about a member's life stand above its line
// between two places.
func (p *picture) lifeAt(who member.ID, from, to float64) bool {
	for _, event := range p.run.lifeEvents() {
		if x := p.l.x(event.at); event.who == who && x < to && x+textWidth(event.text)+12 > from {
			return true
		}
	}
	return false
}

// tells returns in words what became of a batch.
func (p *picture) tells(i int32) string {
	b := &p.run.Batches[i]
	held, settled := 0, 0
	for m := range b.Held {
		if b.Held[m] >= 0 {
			held++
		}
		if b.Settled[m] >= 0 {
			settled++
		}
	}
	text := fmt.Sprintf("%s at time %d, written at %s; held by %d, settled at %d of %d members", p.run.label(b), b.Time, seconds(b.written()), held, settled, len(b.Held))
	if b.Position > 0 {
		text += fmt.Sprintf("; position %s", grouped(b.Position))
	}
	return text
}

// drawLives marks crashes, restarts, pauses and changes of the view on the lines.
func (p *picture) drawLives() {
	for _, event := range p.run.lifeEvents() {
		if event.at < p.view.From || event.at > p.view.To {
			continue
		}
		x, y := p.l.x(event.at), p.l.y(event.who)
		ink := "badink"
		switch {
		case event.crash:
			fmt.Fprintf(&p.top, `<path class="x bad" d="M%.1f %.1fl10 10m0-10l-10 10"/>`, x-5, y-5)
		case event.view:
			ink = "said"
			fmt.Fprintf(&p.top, `<path class="cardfill lane" d="M%.1f %.1fl6 -6l6 6l-6 6z"/>`, x-6, y)
		default:
			fmt.Fprintf(&p.top, `<line class="bad" stroke-width="2.4" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, x, x, y-7, y+7)
		}
		anchor, dx := "", 9.0
		if x+textWidth(event.text) > pictureWidth-marginSide {
			anchor, dx = " end", -9
		}
		if p.l.gap >= gapForLabels {
			fmt.Fprintf(&p.top, `<text class="fault %s%s" x="%.1f" y="%.1f">%s</text>`, ink, anchor, x+dx, y-9, escape(event.text))
		}
	}
}

// drawSpot marks where to look.
func (p *picture) drawSpot() {
	if !p.view.Spotted {
		return
	}
	x, y := p.l.x(p.view.At), p.l.y(p.view.Member)
	class := "ring lane"
	if p.view.Bad {
		class = "ring bad"
		fmt.Fprintf(&p.under, `<line class="bad" stroke-dasharray="3 3" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, x, x, p.l.laneTop, p.l.laneEnd)
		fmt.Fprintf(&p.top, `<text class="fault badink end" x="%.1f" y="%.1f">here</text>`, x-13, y+24)
	}
	fmt.Fprintf(&p.top, `<circle class="%s" style="fill:none" r="11" cx="%.1f" cy="%.1f"/>`, class, x, y)
}

// placedFault is what happens to links, with its place above the lines.
type placedFault struct {
	at    time.Duration
	text  string
	full  string
	row   int
	left  bool // the text ends at its line
	quiet bool // there is no room for the text
}

// faultChars is how long the text of a fault may be.
const faultChars = 48

// plainTime writes a time with as few digits as it needs, down to a
// millisecond: 1 s, 0.35 s.
func plainTime(at time.Duration) string {
	const thousand = 1000
	return strconv.FormatFloat(float64(at.Round(time.Millisecond).Milliseconds())/thousand, 'f', -1, 64) + " s"
}

// placeFaults finds places for the lines of the failure map, those at one time
// together.
func placeFaults(r *Run, l *layout) (faults []placedFault, rows, unnamed int) {
	var c cursor
	for i := 0; i < len(r.Marks); i++ {
		mark := &r.Marks[i]
		if mark.Kind != trace.Fault || mark.At < l.view.From || mark.At > l.view.To {
			continue
		}
		full, last := r.faultsAt(i)
		i = last
		f := placedFault{at: mark.At, full: full}
		f.text = plainTime(mark.At) + "  " + clean(f.full, faultChars)
		x, width := l.x(mark.At), textWidth(f.text)*1.02+14
		from, to := x, x+width
		if to > pictureWidth-marginSide {
			f.left, from, to = true, x-width, x
		}
		if f.row = c.place(from, to, faultRowsMax); f.row < 0 {
			f.quiet = true
			unnamed++
		}
		faults = append(faults, f)
	}
	return faults, len(c.ends), unnamed
}

// drawFaults writes the lines of the failure map above the members.
func (p *picture) drawFaults() {
	for _, f := range p.faults {
		x, y := p.l.x(f.at), p.l.head()+18+float64(max(f.row, 0))*faultRow
		if f.quiet {
			y = p.l.laneTop + 8
		}
		fmt.Fprintf(&p.under, `<line class="bad" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" opacity=".7"/>`, x, x, y-8, p.l.laneEnd)
		if f.quiet {
			continue
		}
		anchor, dx := "", 6.0
		if f.left {
			anchor, dx = " end", -6
		}
		fmt.Fprintf(&p.top, `<text class="fault badink%s" x="%.1f" y="%.1f"><title>%s</title>%s</text>`, anchor, x+dx, y, escape(f.full), escape(f.text))
	}
}

// legend explains the signs.
func (p *picture) legend(b *strings.Builder) {
	x, y := marginSide, p.l.height-20
	item := func(sign, text string, width float64) {
		fmt.Fprintf(b, `<g transform="translate(%.1f %.1f)">%s</g><text class="mute" x="%.1f" y="%.1f">%s</text>`, x, y-4, sign, x+width, y, text)
		x += width + textWidth(text) + 18
	}
	item(`<rect class="mute" y="-7" width="24" height="14" rx="4"/>`, "a batch is written", 31)
	item(`<path class="lane" stroke-width="1.6" d="M0 0h22"/><path class="ink" d="M20 -4l8 4-8 4z"/>`, "frame with entries", 35)
	item(`<path class="row" style="fill:none" d="M0 0h28"/>`, "marks only", 35)
	item(`<path class="lane gone" d="M0 0h14"/><path class="x bad" d="M15 -3.5l7 7m0-7l-7 7"/>`, "lost", 29)
	item(`<path class="wait lane" style="stroke-width:4" d="M2 0h20"/><rect class="ink" x="18" y="-4" width="8" height="8" rx="1.5"/>`, "held, then settled", 33)
	item(`<rect y="-7" width="24" height="14" rx="3" fill="url(#wall)"/>`, "cut", 31)
	item(`<path class="dead" d="M0 0h24"/>`, "down", 31)
	item(`<path class="lane still" d="M0 0h24"/>`, "paused", 31)
	if p.run.changes() {
		item(`<path class="lane out" d="M0 0h24"/>`, "evicted", 31)
		item(`<path class="cardfill lane" d="M0 0l6 -6l6 6l-6 6z"/>`, "another view", 19)
	}
	fmt.Fprintf(b, `<text class="mute end" x="%.1f" y="%.1f">time runs to the right</text>`, pictureWidth-marginSide, y)
}
