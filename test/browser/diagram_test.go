package browser

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// draw makes the page of a run's diagram and returns its address.
func (tools tools) draw(t *testing.T, events string, flags ...string) string {
	t.Helper()
	page := filepath.Join(t.TempDir(), "run.html")
	tools.run(t, append([]string{"diagram", events, "-o", page}, flags...)...)
	return "file://" + page
}

// ready is true once the diagram is drawn.
const ready = `document.documentElement.dataset.ready === 'yes' && document.querySelectorAll('.ev').length > 0`

// count counts the elements of a page.
func count(p *tab, selector string) int {
	p.t.Helper()
	return eval[int](p, fmt.Sprintf("document.querySelectorAll(%q).length", selector))
}

func TestDiagramIsMovedThroughByKeys(t *testing.T) {
	tools := prepare(t)
	p := tools.open(t, tools.draw(t, record(t, tools, halves)), desktop())
	p.await(ready)
	p.await(`document.getElementById('title').textContent.startsWith('All 5 members end with the same')`)
	if lost, walls := count(p, "#lines path.x"), count(p, `rect[fill="url(#hx)"]`); lost == 0 || walls == 0 {
		t.Errorf("%d lost frames and %d walls are drawn", lost, walls)
	}
	p.picture("diagram")
	window := func() float64 { return eval[float64](p, `S.to - S.from`) }
	whole := window()
	p.do(chromedp.KeyEvent("+"))
	p.await(fmt.Sprintf("S.to - S.from < %f", whole*0.7))
	p.await(`/^#from=\d+&to=\d+/.test(location.hash)`)
	before := eval[float64](p, "S.from")
	p.do(chromedp.KeyEvent(kb.PageDown))
	p.await(fmt.Sprintf("S.from > %f", before))
	p.do(chromedp.KeyEvent("0"))
	p.await(fmt.Sprintf("Math.abs(S.to - S.from - %f) < 2", whole))
	// From event to event, and one is held.
	p.do(chromedp.KeyEvent(kb.ArrowRight))
	first := eval[string](p, "document.activeElement.getAttribute('aria-label')")
	p.do(chromedp.KeyEvent(kb.ArrowRight))
	if second := eval[string](p, "document.activeElement.getAttribute('aria-label')"); first == "" || second == first {
		t.Errorf("the arrow goes from %q to %q", first, second)
	}
	p.do(chromedp.KeyEvent(kb.Enter))
	p.await(`document.querySelectorAll('.cone').length === 2 && document.getElementById('say').textContent.includes(' are concurrent')`)
	p.do(chromedp.KeyEvent(kb.Escape))
	p.await(`document.querySelectorAll('.cone').length === 0`)
	p.do(chromedp.KeyEvent("f"))
	p.await(`document.querySelectorAll('.rest').length > 100`)
	p.do(chromedp.KeyEvent("r"))
	p.await("S.down")
	p.do(chromedp.KeyEvent("t"))
	p.await(`document.documentElement.dataset.theme === 'dark'`)
}

func TestDiagramAroundAViolation(t *testing.T) {
	tools := prepare(t)
	folder := t.TempDir()
	events := filepath.Join(folder, "broken.jsonl")
	broken := exec.Command(tools.chatterbox, "sim", "--mutant", "tie-without-origin", "--seed", "8", "--seeds", "1", "--shrink", "0", "--trace", events)
	if out, err := broken.CombinedOutput(); err == nil || broken.ProcessState.ExitCode() != 1 {
		t.Fatalf("the mutant is not caught: %v\n%s", err, out)
	}
	p := tools.open(t, tools.draw(t, events, "--around", "violation"), desktop())
	p.await(ready)
	p.await(`document.getElementById('title').textContent.startsWith('Broken: ') && !document.getElementById('note').hidden`)
	few := count(p, ".ev")
	if few > 150 || count(p, ".spot.broken") != 1 {
		t.Errorf("%d events and %d marks are drawn", few, count(p, ".spot.broken"))
	}
	p.picture("diagram-violation")
	p.click("#focus")
	p.await(`document.getElementById('focus').getAttribute('aria-pressed') === 'false'`)
	p.click("#fit")
	p.await(fmt.Sprintf(`document.querySelectorAll('.ev').length > %d`, few))
}

// TestPagesFitBothWidthsAndThemes opens a diagram and a report: nothing is
// wider than the window, and nothing goes wrong.
func TestPagesFitBothWidthsAndThemes(t *testing.T) {
	tools := prepare(t)
	diagram := tools.draw(t, record(t, tools, halves))
	report := filepath.Join(t.TempDir(), "report.html")
	tools.run(t, "compare", "--maps", "nothing-fails,halves-cut-and-healed-agree", "--seeds", "2", "--html", report)
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 400} {
			t.Run(fmt.Sprint(theme, width), func(t *testing.T) {
				p := tools.open(t, diagram, look{width: width, height: 900, theme: theme})
				p.await(ready)
				p.fits()
				p.picture(fmt.Sprintf("diagram-%s-%d", theme, width))
				p = tools.open(t, "file://"+report, look{width: width, height: 900, theme: theme})
				p.await(`document.querySelectorAll('.plot svg[role=img]').length === 8`)
				p.fits()
				p.picture(fmt.Sprintf("report-%s-%d", theme, width))
			})
		}
	}
}

// fits demands that the page is no wider than the window.
func (p *tab) fits() {
	p.t.Helper()
	if wide := eval[float64](p, `document.scrollingElement.scrollWidth - innerWidth`); wide > 0 {
		p.t.Errorf("the page is %v pixels wider than the window", wide)
	}
}
