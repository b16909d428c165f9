package main

import (
	"fmt"
	"image/color"
	"math"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	glyphs "gonum.org/v1/plot/vg/draw"
)

const (
	plotWidth  = 16 * vg.Centimeter
	plotHeight = 10 * vg.Centimeter
	mega       = 1e6
)

// line is one series of a plot.
type line struct {
	name  string
	color color.Color
	glyph glyphs.GlyphDrawer
	y     func(point) float64
}

// lines returns the three series, each with a figure of its own.
func lines(raw, limit, ordered func(point) float64) []line {
	return []line{
		{"raw: read and discarded", color.Gray{0x99}, glyphs.TriangleGlyph{}, raw},
		{"limit: decoded and appended", color.RGBA{0xd9, 0x5f, 0x02, 0xff}, glyphs.BoxGlyph{}, limit},
		{"chatterbox: in one order", color.RGBA{0x1b, 0x6c, 0xa8, 0xff}, glyphs.CircleGlyph{}, ordered},
	}
}

// picture is one plot, with logarithmic axes.
type picture struct {
	file, title, x, y string
	points            []point
	at                func(point) float64
	series            []line
	legendTop         bool
}

// legendRoom is what of the range of y is left free for the legend: a factor,
// since the axis is logarithmic.
const legendRoom = 2.5

func (d *picture) save(folder string) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = d.title, d.x, d.y
	p.Title.Padding = vg.Points(8)
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.Legend.Top, p.Legend.Left = d.legendTop, true
	p.Add(plotter.NewGrid())
	for _, s := range d.series {
		if err := d.add(p, s); err != nil {
			return fmt.Errorf("%s: %w", d.file, err)
		}
	}
	if d.legendTop {
		p.Y.Max *= legendRoom
	} else {
		p.Y.Min /= legendRoom
	}
	p.X.Max *= 1.3 // or the last label is cut off
	p.X.Tick.Marker, p.Y.Tick.Marker = d.ticks(), roundTicks(p.Y.Min, p.Y.Max)
	return p.Save(plotWidth, plotHeight, filepath.Join(folder, d.file))
}

// add draws one series.
func (d *picture) add(p *plot.Plot, s line) error {
	xys := make(plotter.XYs, len(d.points))
	for i, point := range d.points {
		xys[i] = plotter.XY{X: d.at(point), Y: s.y(point)}
	}
	drawn, marks, err := plotter.NewLinePoints(xys)
	if err != nil {
		return err
	}
	drawn.Color, marks.Color, marks.Shape = s.color, s.color, s.glyph
	drawn.Width, marks.Radius = vg.Points(1.5), vg.Points(3)
	p.Add(drawn, marks)
	p.Legend.Add(s.name, drawn, marks)
	return nil
}

// ticks marks what was measured.
func (d *picture) ticks() plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for _, point := range d.points {
		ticks = append(ticks, plot.Tick{Value: d.at(point), Label: fmt.Sprintf("%g", d.at(point))})
	}
	return ticks
}

// roundTicks marks 1, 2 and 5 of each power of ten.
func roundTicks(low, high float64) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for power := math.Floor(math.Log10(low)); math.Pow(10, power) <= high; power++ {
		for _, digit := range []float64{1, 2, 5} {
			if value := digit * math.Pow(10, power); value >= low && value <= high {
				ticks = append(ticks, plot.Tick{Value: value, Label: fmt.Sprintf("%.4g", value)})
			}
		}
	}
	return ticks
}

// draw writes the plots into a folder.
func draw(m *measurements, folder string) error {
	members := func(p point) float64 { return float64(p.Members) }
	payload := func(p point) float64 { return float64(p.Payload) }
	rate := lines(
		func(p point) float64 { return p.Raw / mega },
		func(p point) float64 { return p.Limit / mega },
		func(p point) float64 { return p.Ordered / mega })
	cost := lines(
		func(p point) float64 { return p.RawCPU / members(p) },
		func(p point) float64 { return p.LimitCPU / members(p) },
		func(p point) float64 { return p.OrderedCPU / members(p) })
	volume := lines(
		func(p point) float64 { return p.Raw * payload(p) / mega },
		func(p point) float64 { return p.Limit * payload(p) / mega },
		func(p point) float64 { return p.Ordered * payload(p) / mega })
	for _, d := range []picture{
		{"members-rate.svg", "Entries of 8 bytes, at the slowest member", "members", "million entries/s", m.Members, members, rate, false},
		{"members-cost.svg", "Entries of 8 bytes", "members", "CPU s per million entries and member", m.Members, members, cost, true},
		{"payload-volume.svg", "Three members, payloads at the slowest", "bytes of a payload", "MB/s", m.Payloads, payload, volume, false},
	} {
		if err := d.save(folder); err != nil {
			return err
		}
	}
	return nil
}
