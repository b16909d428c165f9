package main

import (
	"fmt"
	"image/color"
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

// lines gives the three series, each with a figure of its own.
func lines(raw, limit, ordered func(point) float64) []line {
	return []line{
		{"raw: read and discarded", color.Gray{0x99}, glyphs.TriangleGlyph{}, raw},
		{"limit: decoded and appended", color.RGBA{0xd9, 0x5f, 0x02, 0xff}, glyphs.BoxGlyph{}, limit},
		{"chatterbox: in one order", color.RGBA{0x1b, 0x6c, 0xa8, 0xff}, glyphs.CircleGlyph{}, ordered},
	}
}

// drawOne writes one plot, with logarithmic axes.
func drawOne(path, title, x, y string, points []point, at func(point) float64, series []line) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.Y.Tick.Marker = plot.LogTicks{Prec: -1}
	p.Legend.Top = false
	p.Legend.Left = true
	p.Add(plotter.NewGrid())
	var ticks plot.ConstantTicks
	for _, point := range points {
		ticks = append(ticks, plot.Tick{Value: at(point), Label: fmt.Sprintf("%g", at(point))})
	}
	p.X.Tick.Marker = ticks
	for _, s := range series {
		xys := make(plotter.XYs, len(points))
		for i, point := range points {
			xys[i] = plotter.XY{X: at(point), Y: s.y(point)}
		}
		drawn, marks, err := plotter.NewLinePoints(xys)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		drawn.Color, marks.Color, marks.Shape = s.color, s.color, s.glyph
		drawn.Width, marks.Radius = vg.Points(1.5), vg.Points(3)
		p.Add(drawn, marks)
		p.Legend.Add(s.name, drawn, marks)
	}
	return p.Save(plotWidth, plotHeight, path)
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
	for _, d := range []struct {
		file, title, x, y string
		points            []point
		at                func(point) float64
		series            []line
	}{
		{"members-rate.svg", "Entries of 8 bytes, at the slowest member", "members", "million entries/s", m.Members, members, rate},
		{"members-cost.svg", "Entries of 8 bytes", "members", "CPU s per million entries and member", m.Members, members, cost},
		{"payload-volume.svg", "Three members", "bytes of a payload", "MB/s of payloads at the slowest member", m.Payloads, payload, volume},
	} {
		if err := drawOne(filepath.Join(folder, d.file), d.title, d.x, d.y, d.points, d.at, d.series); err != nil {
			return err
		}
	}
	return nil
}
