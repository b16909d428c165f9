package diagram

import (
	"cmp"
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"chatterbox/internal/core/member"
)

// The measures of a picture, in pixels.
const (
	pictureWidth  = 1280.0
	marginSide    = 24.0
	headHeight    = 62.0  // title and the line below it
	laneGapMax    = 132.0 // between two members
	laneGapMin    = 24.0
	lanesHeight   = 560.0 // of all members, unless they are many
	aboveLanes    = 52.0  // room for the labels of the first member
	faultRow      = 17.0  // height of a row of the failure map's lines
	faultRowsMax  = 3
	belowLanes    = 22.0 // free below the last member's bars
	axisHeight    = 34.0
	legendHeight  = 30.0
	nameWidthMin  = 46.0
	nameWidthMax  = 150.0
	nameCharsMax  = 18
	charWidth     = 6.9  // of a letter at 12 px, on average
	barFirst      = 11.0 // below the line
	barStep       = 6.0
	labelHeight   = 20.0
	labelLift     = 19.0 // of a label's middle above its line
	labelRowsMax  = 2
	batchesShown  = 32 // followed in a picture at most
	tickWidthMin  = 90.0
	wallBefore    = 26.0 // free above a line, between walls
	wallAfter     = 34.0 // and below it
	gapForLabels  = 56.0 // members closer than that have no labels and bars in rows
	gapForCircles = 30.0
	noteHeight    = 18.0
	breakWidth    = 44.0 // of a time that is left out
	breakPart     = 0.25 // of a view in which nothing happens, to be left out
)

// layout says where times and members are.
type layout struct {
	view             View
	left, top        float64 // of the first member's line at View.From
	width, gap       float64
	members          int
	height           float64 // of the whole picture
	laneTop, laneEnd float64
	idle             []span // pieces of the view in which nothing happens: left out
	scale            float64
}

// newLayout makes room for rows of the failure map's lines above the members,
// and rows of bars below the last one.
func newLayout(r *Run, v View, idle []span, faultRows, barRows int) layout {
	n := len(r.names())
	l := layout{view: v, members: n, gap: laneGapMax, idle: idle}
	if n > 1 {
		l.gap = min(max(lanesHeight/float64(n-1), laneGapMin), laneGapMax)
	}
	widest := 0
	for _, name := range r.names() {
		widest = max(widest, min(utf8.RuneCountInString(name), nameCharsMax))
	}
	name := min(max(float64(widest)*charWidth+24, nameWidthMin), nameWidthMax)
	l.left = marginSide + name + 8
	l.width = pictureWidth - l.left - marginSide - 10
	shown := v.To - v.From
	for _, gap := range idle {
		shown -= gap.to - gap.from
	}
	l.scale = (l.width - float64(len(idle))*breakWidth) / float64(shown)
	l.top = l.head() + 10 + float64(faultRows)*faultRow + aboveLanes
	l.laneTop, l.laneEnd = l.top-aboveLanes+6, l.y(member.ID(n-1))+belowLanes+float64(barRows)*barStep
	l.height = l.laneEnd + axisHeight + legendHeight + 12
	return l
}

// head is the height of the title and what is below it.
func (l *layout) head() float64 {
	if l.view.Note == "" {
		return headHeight
	}
	return headHeight + noteHeight
}

// x is where a time is. What is left out is a gap of its own width.
func (l *layout) x(at time.Duration) float64 {
	x, from := l.left, l.view.From
	for _, gap := range l.idle {
		if at <= gap.from {
			break
		}
		x += l.scale * float64(gap.from-from)
		if at < gap.to {
			return x + breakWidth*float64(at-gap.from)/float64(gap.to-gap.from)
		}
		x, from = x+breakWidth, gap.to
	}
	return x + l.scale*float64(at-from)
}

// leftOut reports whether a time is among those that are left out, or so near
// to them that its text would lie on theirs.
func (l *layout) leftOut(at time.Duration) bool {
	for _, gap := range l.idle {
		if x := l.x(at); x > l.x(gap.from)-breakWidth/2 && x < l.x(gap.to)+breakWidth/2 {
			return true
		}
	}
	return false
}

// inside keeps a time within the picture.
func (l *layout) inside(at time.Duration) time.Duration {
	return min(max(at, l.view.From), l.view.To)
}

func (l *layout) y(m member.ID) float64 { return l.top + float64(m)*l.gap }

// barRows is how many rows of bars fit below a line.
func (l *layout) barRows() int { return max(int((l.gap-labelHeight-barFirst-8)/barStep), 1) }

// tick is the time between two ticks of the axis: 1, 2 or 5 of a power of ten.
func (l *layout) tick() time.Duration {
	least := tickWidthMin / l.scale
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, step := range []float64{1, 2, 5} {
		if step*power >= least {
			return time.Duration(step * power)
		}
	}
	return time.Duration(10 * power)
}

// textWidth guesses how wide a text is, in pixels.
func textWidth(text string) float64 { return float64(utf8.RuneCountInString(text)) * charWidth }

// idleIn finds long times in a view of a few batches in which nothing of them
// happens.
func idleIn(r *Run, v *View, batches, frames []int32) []span {
	if len(v.Matters) == 0 {
		return nil
	}
	busy := []span{{v.From, v.From}, {v.At, v.At}, {v.To, v.To}}
	for _, i := range frames {
		f := &r.Frames[i]
		busy = append(busy, span{f.Sent, max(f.Sent, f.Got)})
	}
	for _, i := range batches {
		for m := range r.names() {
			for _, at := range []time.Duration{r.Batches[i].Held[m], r.Batches[i].Settled[m]} {
				busy = append(busy, span{at, at})
			}
		}
	}
	slices.SortFunc(busy, func(x, y span) int { return cmp.Compare(x.from, y.from) })
	least := time.Duration(breakPart * float64(v.To-v.From))
	var idle []span
	end := v.From
	for _, s := range busy {
		if from := min(s.from, v.To); from-end >= least {
			rest := (from - end) / idleKept
			idle = append(idle, span{end + rest, from - rest})
		}
		end = max(end, s.to)
	}
	return idle
}

// idleKept says that of a time in which nothing happens the first and the last
// of so many parts stay.
const idleKept = 50

// cursor keeps things that stand in rows from covering each other.
type cursor struct{ ends []float64 }

// place returns a row in which nothing stands from x on, or -1.
func (c *cursor) place(from, to float64, rows int) int {
	for i := range c.ends {
		if c.ends[i] <= from {
			c.ends[i] = to
			return i
		}
	}
	if len(c.ends) == rows {
		return -1
	}
	c.ends = append(c.ends, to)
	return len(c.ends) - 1
}

// way is a line from one point to another.
type way struct{ x1, y1, x2, y2 float64 }

// part returns the beginning of the way.
func (w way) part(k float64) way {
	return way{w.x1, w.y1, w.x1 + (w.x2-w.x1)*k, w.y1 + (w.y2-w.y1)*k}
}

// before returns the way without its last pixels.
func (w way) before(pixels float64) way {
	length := math.Hypot(w.x2-w.x1, w.y2-w.y1)
	if length <= pixels {
		return w
	}
	return w.part(1 - pixels/length)
}
