package diagram

import (
	"fmt"
	"html"
	"io"
	"strings"
	"time"

	"chatterbox/internal/core/member"
)

// SVG writes a view as a picture that needs nothing else, for light and dark.
// What it leaves out of a crowded view it says in the picture; notice is that
// text, empty if all is drawn.
func SVG(out io.Writer, r *Run, v View) (notice string, err error) {
	p := newPicture(r, v)
	p.draw()
	_, err = io.WriteString(out, p.document())
	if err != nil {
		return p.notice(), fmt.Errorf("diagram: write picture: %w", err)
	}
	return p.notice(), nil
}

// picture is a view while it is drawn: layers that lie above each other.
type picture struct {
	run      *Run
	view     View
	l        layout
	followed []int32
	stride   int // one batch in stride is followed
	all      int // batches there are
	frames   []int32
	faults   []placedFault
	unnamed  int // lines of the map that found no room
	unlabelled,
	unbarred int // batches without a label; bars that found no row

	wash, under, lines, spans, dots, top strings.Builder
}

func newPicture(r *Run, v View) *picture {
	p := &picture{run: r, view: v}
	p.followed, p.stride, p.all = r.follow(&v, batchesShown)
	p.frames = r.stories(&v, p.followed)
	idle := idleIn(r, &v, p.followed, p.frames)
	p.l = newLayout(r, v, idle, 0, 0)
	faults, rows, unnamed := placeFaults(r, &p.l)
	p.faults, p.unnamed = faults, unnamed
	last := p.placeBars(member.ID(p.l.members - 1))
	barRows := 0
	for _, bar := range last {
		barRows = max(barRows, bar.row+1)
	}
	p.l = newLayout(r, v, idle, rows, barRows)
	return p
}

func (p *picture) draw() {
	p.drawCuts()
	p.drawAxis()
	for m := range p.run.names() {
		p.drawLane(member.ID(m))
		p.drawBars(member.ID(m))
	}
	for _, i := range p.frames {
		p.drawFrame(i)
	}
	p.drawBatches()
	p.drawLives()
	p.drawBreaks()
	p.drawFaults()
	p.drawSpot()
}

// document puts the layers into one text.
func (p *picture) document() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img" aria-labelledby="t d">`,
		pictureWidth, p.l.height, pictureWidth, p.l.height)
	fmt.Fprintf(&b, "\n<title id=\"t\">%s</title><desc id=\"d\">%s</desc>\n<style>%s</style>\n", escape(p.view.Title), escape(p.what()), styleSheet())
	b.WriteString(`<defs><pattern id="wall" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="wash" width="7" height="7"/><rect class="badfill" width="1.6" height="7" opacity=".35"/></pattern>`)
	b.WriteString(`<pattern id="half" width="11" height="11" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="badfill" width="1.2" height="11" opacity=".3"/></pattern>`)
	fmt.Fprintf(&b, `<clipPath id="view"><rect x="%.1f" y="0" width="%.1f" height="%.0f"/></clipPath>`, p.l.left, p.l.width+12, p.l.height)
	for i := range memberColours {
		fmt.Fprintf(&b, `<marker id="h%d" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8.5" markerHeight="8.5" markerUnits="userSpaceOnUse" orient="auto"><path class="f%d" d="M0 1L10 5L0 9z"/></marker>`, i, i)
	}
	b.WriteString(`<marker id="hr" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path class="restfill" d="M0 1L10 5L0 9z"/></marker></defs>` + "\n")
	fmt.Fprintf(&b, `<rect class="card" x=".5" y=".5" width="%.0f" height="%.0f" rx="12"/>`+"\n", pictureWidth-1, p.l.height-1)
	fmt.Fprintf(&b, `<text class="title ink" x="%g" y="32">%s</text><text class="what mute" x="%g" y="52">%s</text>`+"\n",
		marginSide, escape(clean(p.view.Title, titleChars)), marginSide, escape(clean(p.what(), whatChars)))
	if p.view.Note != "" {
		fmt.Fprintf(&b, `<text class="what badink" style="stroke:none" x="%g" y="71">%s</text>`+"\n", marginSide, escape(clean(p.view.Note, whatChars)))
	}
	for _, layer := range []*strings.Builder{&p.wash, &p.under, &p.spans} {
		b.WriteString("<g>" + layer.String() + "</g>\n")
	}
	b.WriteString(`<g clip-path="url(#view)">` + p.lines.String() + "</g>\n")
	for _, layer := range []*strings.Builder{&p.dots, &p.top} {
		b.WriteString("<g>" + layer.String() + "</g>\n")
	}
	p.legend(&b)
	b.WriteString("</svg>\n")
	return b.String()
}

const (
	titleChars = 110 // that fit into the picture
	whatChars  = 190
)

// what returns what the picture is of, and what it leaves out.
func (p *picture) what() string {
	h := &p.run.Header
	text := fmt.Sprintf("%s, %s, seed %d, %s to %s", h.Protocol, count(len(h.Members), "member"), h.Seed, seconds(p.view.From), seconds(min(p.view.To, max(p.run.End, p.view.From))))
	if notice := p.notice(); notice != "" {
		return text + ": " + notice
	}
	return text + ": " + count(len(p.followed), "batch") + ", " + count(len(p.frames), "frame")
}

// notice returns what is left out; empty if it is nothing but marks.
func (p *picture) notice() string {
	var left []string
	if p.stride > 1 {
		left = append(left, fmt.Sprintf("follows one in %s of %s, in %s of %s", grouped(uint64(p.stride)), count(p.all, "batch"), grouped(uint64(len(p.frames))), count(len(p.run.Frames), "frame")))
	}
	if p.unnamed > 0 {
		left = append(left, count(p.unnamed, "line")+" of the failure map without room")
	}
	if p.unbarred > 0 {
		left = append(left, count(p.unbarred, "bar")+" without room")
	}
	return strings.Join(left, "; ")
}

// drawCuts shades the time in which links are cut, and walls off neighbours.
func (p *picture) drawCuts() {
	var washed []span
	for _, cut := range p.run.cuts {
		if cut.to <= p.view.From || cut.from >= p.view.To {
			continue
		}
		x1, x2 := p.l.x(p.l.inside(cut.from)), p.l.x(p.l.inside(cut.to))
		y1, y2 := p.l.y(member.ID(cut.gap)), p.l.y(member.ID(cut.gap+1))
		after, before := wallAfter, wallBefore
		if p.l.gap < wallAfter+wallBefore+12 {
			after, before = p.l.gap*.2, p.l.gap*.2
		}
		pattern := "half"
		if cut.both {
			pattern = "wall"
		}
		fmt.Fprintf(&p.under, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="4" fill="url(#%s)"/>`, x1, y1+after, max(x2-x1, 1), y2-y1-after-before, pattern)
		washed = join(washed, cut.span)
	}
	for _, s := range washed {
		x1, x2 := p.l.x(p.l.inside(s.from)), p.l.x(p.l.inside(s.to))
		fmt.Fprintf(&p.wash, `<rect class="wash" x="%.1f" y="%.1f" width="%.1f" height="%.1f" opacity=".55"/>`, x1, p.l.laneTop, max(x2-x1, 1), p.l.laneEnd-p.l.laneTop)
	}
}

// join adds a span to spans that do not touch each other.
func join(spans []span, s span) []span {
	apart := spans[:0:0]
	for _, other := range spans {
		if other.to < s.from || s.to < other.from {
			apart = append(apart, other)
			continue
		}
		s = span{min(s.from, other.from), max(s.to, other.to)}
	}
	return append(apart, s)
}

func (p *picture) drawAxis() {
	step := p.l.tick()
	for at := (p.view.From + step - 1) / step * step; at <= p.view.To; at += step {
		x := p.l.x(at)
		if p.l.leftOut(at) {
			continue
		}
		fmt.Fprintf(&p.under, `<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, x, x, p.l.laneTop, p.l.laneEnd)
		fmt.Fprintf(&p.under, `<text class="mute mid" x="%.1f" y="%.1f">%s</text>`, x, p.l.laneEnd+16, axisTime(at, step))
	}
}

// drawBreaks marks the times that are left out.
func (p *picture) drawBreaks() {
	for _, gap := range p.l.idle {
		x1, x2 := p.l.x(gap.from), p.l.x(gap.to)
		fmt.Fprintf(&p.top, `<rect class="cardfill" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, x1, p.l.laneTop, x2-x1, p.l.laneEnd-p.l.laneTop)
		for _, x := range []float64{x1, x2} {
			fmt.Fprintf(&p.top, `<line class="row" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, x, x, p.l.laneTop, p.l.laneEnd)
		}
		middle := (x1 + x2) / 2
		fmt.Fprintf(&p.top, `<text class="mute mid" x="%.1f" y="%.1f">%s</text><text class="mute mid" x="%.1f" y="%.1f">later</text>`,
			middle, p.l.laneEnd+16, axisTime(gap.to-gap.from, (gap.to-gap.from)/10), middle, p.l.laneEnd+30)
	}
}

// axisTime writes a time of the axis with the digits that its step needs.
func axisTime(at, step time.Duration) string {
	digits := 0
	for unit := time.Second; unit > step; unit /= 10 {
		digits++
	}
	return fmt.Sprintf("%.*f s", digits, at.Seconds())
}

// escape makes text fit to stand in the picture, whatever it is.
func escape(text string) string { return html.EscapeString(clean(text, textChars)) }

// textChars is how long any text in a picture or page may be.
const textChars = 400

// colour is the number of a member's colour.
func colour(m member.ID) int { return int(m) % memberColours }
