package comparison

import (
	"crypto/sha256"
	_ "embed" // the style
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"math"
	"strings"
	"time"
)

// style is that of the page; go:embed demands a package variable, and nothing
// writes to it.
//
//go:embed report.css
var style string

// Page writes the table as a page with plots, which needs nothing else and
// fetches nothing.
func (t *Table) Page(w io.Writer) error {
	var b strings.Builder
	sum := sha256.Sum256([]byte(style))
	fmt.Fprintf(&b, `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'">
<title>Protocols under failures</title><style>%s</style></head><body><main>
<h1>%s</h1><p>%s</p><p>Made by <code>%s</code></p>
`, base64.StdEncoding.EncodeToString(sum[:]), style, html.EscapeString(t.headline()), html.EscapeString(t.Made), html.EscapeString(t.Command))
	t.key(&b)
	t.plots(&b)
	t.figures(&b)
	b.WriteString("</main></body></html>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// headline returns in a sentence what came of it.
func (t *Table) headline() string {
	runs := 0
	for _, row := range t.Rows {
		runs += len(row.Runs)
	}
	if broken := t.Broken(); broken > 0 {
		return fmt.Sprintf("Promises are broken in %d of %d runs", broken, runs)
	}
	return fmt.Sprintf("%d runs under %d failure maps, and no promise is broken", runs, len(t.maps()))
}

// The measures of a plot, in the units of its picture.
const (
	plotWidth   = 220.0
	plotHeight  = 40.0
	laneFirst   = 11.0
	laneStep    = 17.0
	markRadius  = 4.5
	protocolMax = 4 // that have colours
)

// key explains the signs.
func (t *Table) key(b *strings.Builder) {
	b.WriteString(`<div class="key">`)
	for i, protocol := range t.protocols() {
		fmt.Fprintf(b, `<span><svg viewBox="0 0 30 14" aria-hidden="true"><path class="span c%d" d="M4 7h22"/><path class="end c%d" d="M26 3v8"/>%s</svg>%s</span>`, i%protocolMax, i%protocolMax, mark(i, 4, 7), html.EscapeString(protocol))
	}
	b.WriteString("<span>settled: half of the entries, line to 99 of 100, stroke at the last</span><span>agree again: median of the runs, line to the slowest</span><span>scales are logarithmic</span></div>\n")
}

// mark draws the sign of a protocol: shapes differ as colours do.
func mark(protocol int, x, y float64) string {
	c := protocol % protocolMax
	switch c {
	case 0:
		return fmt.Sprintf(`<circle class="val c%d" cx="%.1f" cy="%.1f" r="%.1f"/>`, c, x, y, markRadius)
	case 1:
		return fmt.Sprintf(`<rect class="val c%d" x="%.1f" y="%.1f" width="8" height="8"/>`, c, x-4, y-4)
	case 2:
		return fmt.Sprintf(`<path class="val c%d" d="M%.1f %.1fl5 9h-10z"/>`, c, x, y-5)
	default:
		return fmt.Sprintf(`<path class="val c%d" d="M%.1f %.1fl5 5-5 5-5-5z"/>`, c, x, y-5)
	}
}

// plot is a figure that is drawn for each row: a point, and how far it goes.
type plot struct {
	head, unit string
	about      string
	of         func(*Row) (at, to, last float64, text string) // NaN: there is none
}

func plots() []plot {
	nan := math.NaN()
	return []plot{
		{"Settled everywhere", " ms", "after it was written", func(r *Row) (float64, float64, float64, string) {
			p50, p99, last := r.Latency(half), r.Latency(most), r.Latency(all)
			if p50 < 0 {
				return nan, nan, nan, "–"
			}
			return inMS(p50), inMS(p99), inMS(last), fmt.Sprintf("p50 %s, p99 %s, max %s", milliseconds(p50), milliseconds(p99), milliseconds(last))
		}},
		{"All agree again", " ms", "after the map's last change", func(r *Row) (float64, float64, float64, string) {
			median, slowest, known, never := r.After()
			switch {
			case !known:
				return nan, nan, nan, "–"
			case never:
				return nan, nan, nan, "never"
			}
			return inMS(median), inMS(slowest), nan, fmt.Sprintf("median %s, slowest %s", milliseconds(median), milliseconds(slowest))
		}},
		{"Messages per entry", "", "of all members together", func(r *Row) (float64, float64, float64, string) {
			return r.MessagesPerEntry(), nan, nan, short(r.MessagesPerEntry())
		}},
		{"Bytes per entry", "", "of batches, of all members", func(r *Row) (float64, float64, float64, string) {
			return r.BytesPerEntry(), nan, nan, short(r.BytesPerEntry())
		}},
	}
}

func inMS(d time.Duration) float64 { return max(float64(d)/float64(time.Millisecond), 0.1) }

// scale is a logarithmic axis.
type scale struct{ low, high float64 } // powers of ten

// scaleOf returns the axis that holds all values of a plot.
func (t *Table) scaleOf(p *plot) scale {
	least, largest := math.Inf(1), math.Inf(-1)
	for _, row := range t.Rows {
		at, to, last, _ := p.of(row)
		for _, x := range []float64{at, to, last} {
			if x > 0 {
				least, largest = min(least, x), max(largest, x)
			}
		}
	}
	if least > largest {
		return scale{0, 1}
	}
	s := scale{math.Floor(math.Log10(least)), math.Ceil(math.Log10(largest))}
	if s.high == s.low {
		s.high++
	}
	return s
}

func (s scale) x(value float64) float64 {
	const margin = 8
	return margin + (plotWidth-2*margin)*(math.Log10(max(value, 1e-9))-s.low)/(s.high-s.low)
}

func (s scale) ticks() []float64 {
	var ticks []float64
	for power := s.low; power <= s.high; power++ {
		ticks = append(ticks, math.Pow(10, power))
	}
	return ticks
}

// tickText writes a power of ten in few letters.
func tickText(value float64, unit string) string {
	switch {
	case unit == " ms" && value >= 1000:
		return fmt.Sprintf("%g s", value/1000)
	case unit == "" && value >= 1000:
		return fmt.Sprintf("%gk", value/1000)
	}
	return fmt.Sprintf("%g%s", value, unit)
}

// plots draws a row for each map, with a plot for each figure.
func (t *Table) plots(b *strings.Builder) {
	all := plots()
	scales := make([]scale, len(all))
	b.WriteString(`<div class="card"><div class="row head"><span></span>`)
	for i := range all {
		scales[i] = t.scaleOf(&all[i])
		fmt.Fprintf(b, `<div class="plot"><b>%s</b>%s<svg viewBox="0 0 %g 16" aria-hidden="true">`, all[i].head, all[i].about, plotWidth)
		for _, tick := range scales[i].ticks() {
			fmt.Fprintf(b, `<text x="%.1f" y="13" text-anchor="middle">%s</text>`, scales[i].x(tick), tickText(tick, all[i].unit))
		}
		b.WriteString("</svg></div>")
	}
	b.WriteString("</div>\n")
	for _, name := range t.maps() {
		fmt.Fprintf(b, `<div class="row"><div class="name">%s%s</div>`, html.EscapeString(strings.ReplaceAll(name, "-", " ")), t.standing(name))
		for i := range all {
			t.drawPlot(b, name, &all[i], scales[i])
		}
		b.WriteString("</div>\n")
	}
	b.WriteString("</div>\n")
}

// standing returns how the runs under a map ended.
func (t *Table) standing(name string) string {
	var parts []string
	for _, protocol := range t.protocols() {
		row := t.row(protocol, name)
		if row == nil {
			continue
		}
		text := fmt.Sprintf("%s: %d of %d complete", html.EscapeString(protocol), row.Complete(), len(row.Runs))
		if row.Agree() < len(row.Runs) {
			text = fmt.Sprintf(`<span class="bad">%s: broken in %d</span>`, html.EscapeString(protocol), len(row.Runs)-row.Agree())
		}
		parts = append(parts, text)
	}
	return "<small>" + strings.Join(parts, " · ") + "</small>"
}

func (t *Table) drawPlot(b *strings.Builder, name string, p *plot, s scale) {
	var titles []string
	var marks strings.Builder
	for i, protocol := range t.protocols() {
		row := t.row(protocol, name)
		if row == nil {
			continue
		}
		y, c := laneFirst+float64(i)*laneStep, i%protocolMax
		at, to, last, text := p.of(row)
		titles = append(titles, protocol+": "+text)
		if math.IsNaN(at) {
			class := "none"
			if text == "never" {
				class = "never"
			}
			fmt.Fprintf(&marks, `<text class="%s" x="%.1f" y="%.1f">%s</text>`, class, s.x(math.Pow(10, s.low)), y+4, text)
			continue
		}
		if !math.IsNaN(to) {
			fmt.Fprintf(&marks, `<path class="span c%d" d="M%.1f %.1fH%.1f"/>`, c, s.x(at), y, s.x(to))
		}
		if !math.IsNaN(last) {
			fmt.Fprintf(&marks, `<path class="end c%d" d="M%.1f %.1fv8"/>`, c, s.x(last), y-4)
		}
		marks.WriteString(mark(i, s.x(at), y))
		if math.IsNaN(to) {
			anchor, dx := "start", 9.0
			if s.x(at) > plotWidth*0.8 {
				anchor, dx = "end", -9
			}
			fmt.Fprintf(&marks, `<text class="num" text-anchor="%s" x="%.1f" y="%.1f">%s</text>`, anchor, s.x(at)+dx, y+4, text)
		}
	}
	fmt.Fprintf(b, `<div class="plot" data-label="%s"><svg viewBox="0 0 %g %g" role="img" aria-label="%s"><title>%s</title>`,
		html.EscapeString(p.head+", "+p.about), plotWidth, plotHeight, html.EscapeString(p.head+", "+strings.Join(titles, "; ")), html.EscapeString(strings.Join(titles, "\n")))
	for _, tick := range s.ticks() {
		fmt.Fprintf(b, `<path class="ax" d="M%.1f 0V%g"/><text class="tick" x="%.1f" y="%g" text-anchor="middle">%s</text>`, s.x(tick), plotHeight, s.x(tick), plotHeight+9, tickText(tick, p.unit))
	}
	b.WriteString(marks.String() + "</svg></div>")
}

// figures writes all numbers, and what they mean.
func (t *Table) figures(b *strings.Builder) {
	b.WriteString("<h2>All figures</h2>\n<div class=\"card scroll\"><table><tr>")
	class := func(c *column) string {
		if strings.HasPrefix(c.head, " ") {
			return ` class="r"`
		}
		return ""
	}
	all := columns()
	for i := range all {
		fmt.Fprintf(b, "<th%s>%s</th>", class(&all[i]), html.EscapeString(strings.TrimSpace(all[i].head)))
	}
	b.WriteString("</tr>\n")
	for _, row := range t.Rows {
		b.WriteString("<tr>")
		for i := range all {
			text, of := all[i].text(row), class(&all[i])
			switch {
			case text == "kept":
				of = ` class="good"`
			case text == "never", strings.HasPrefix(text, "BROKEN"):
				of = ` class="r bad"`
			}
			fmt.Fprintf(b, "<td%s>%s</td>", of, html.EscapeString(text))
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</table></div>\n<dl>")
	for i := range all {
		if all[i].means != "" {
			fmt.Fprintf(b, "<dt>%s</dt><dd>%s</dd>", html.EscapeString(strings.TrimSpace(all[i].head)), html.EscapeString(all[i].means))
		}
	}
	b.WriteString("</dl>\n")
}
