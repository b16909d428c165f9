package browser

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// halves is a run in which two parts lose each other for a while.
const halves = `# Two parts lose each other for a while.
# run: protocol=delta members=5 seed=3 send=5s grace=2s tick=10ms
# run: delay=2ms..9ms rates=6,6,6,6,6 batch=1 journal
1500ms  a,b <-> c,d,e  cut
3500ms  a,b <-> c,d,e  heal
`

// record writes the trace of a run in virtual time.
func record(t *testing.T, tools tools, text string, more ...string) string {
	t.Helper()
	folder := t.TempDir()
	file, events := filepath.Join(folder, "run.case"), filepath.Join(folder, "run.jsonl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tools.run(t, append([]string{"sim", "--failure-map", file, "--trace", events}, more...)...)
	return events
}

func TestReplayRewindsAndLinksToPositions(t *testing.T) {
	tools := prepare(t)
	address, _ := tools.serve(t, "replay", record(t, tools, halves))
	p := tools.open(t, address+"#t=2.80&eye=d", desktop())
	p.await(now + ` === 2.8 && document.getElementById('eyename').textContent === 'd'`)
	p.await(state("a->c") + ` === "cut" && ` + state("a->b") + ` === "up"`)
	cut := eval[int](p, settled("d"))
	p.picture("replay-cut")
	p.do(chromedp.KeyEvent(kb.End))
	p.await(fmt.Sprintf(`%s > %d && %s === "up"`, settled("d"), cut, state("a->c")))
	all := eval[int](p, settled("d"))
	p.await(`document.getElementById('say').textContent.startsWith('Complete.')`)
	p.do(chromedp.KeyEvent(kb.Home))
	p.await(settled("d") + " === 0 && " + now + " === 0")
	p.do(chromedp.KeyEvent(kb.ArrowRight, chromedp.KeyModifiers(kb.ModifierShift)))
	p.await(now + " === 1")
	p.do(chromedp.KeyEvent("."))
	p.await(now + " === 1.01")
	p.do(chromedp.KeyEvent("n"))
	p.await(now + " === 1.5") // the cut
	p.await(`location.hash.startsWith('#t=1.50')`)
	p.click("#play")
	p.await(now + " > 1.7")
	p.click("#play")
	eval[bool](p, `location.hash = '#t=2.80&eye=a', true`)
	p.await(fmt.Sprintf("%s === 2.8 && %s === %d", now, settled("d"), cut)) // the same again
	p.click(`[data-link="a->b"] .wire`)
	p.await(state("a->b") + ` === "up"`) // a replay cannot be changed
	p.click("#scrub")
	p.await(now + " > 3 && " + now + " < 4")
	if late := eval[int](p, settled("d")); late < cut || late >= all {
		t.Errorf("in the middle %d entries are settled, in the cut %d, in the end %d", late, cut, all)
	}
}

// evicted is a run in which c is cut off, the others go on without it, and it
// learns of that when it is heard again.
const evicted = `# Two of three go on without the third.
# run: protocol=delta members=3 seed=3 send=5s grace=62s tick=10ms holders=2 changes
# run: delay=2ms..9ms rates=6,6,6 batch=1 journal
1s     c <-> *  cut
2500ms b        evict c
4s     c <-> *  heal
`

// TestReplayShowsWhoIsEvicted in words and signs on the page of a replay, and in
// a diagram of the same run, for light and dark, wide and narrow.
func TestReplayShowsWhoIsEvicted(t *testing.T) {
	tools := prepare(t)
	events := record(t, tools, evicted)
	address, _ := tools.serve(t, "replay", events)
	diagram := tools.draw(t, events)
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 400} {
			t.Run(fmt.Sprint(theme, width), func(t *testing.T) {
				p := tools.open(t, address+"#t=2.20&eye=a", look{width: width, height: 800, theme: theme})
				p.await(now + ` === 2.2 && !document.querySelector('[data-member="c"]').classList.contains('evicted')`)
				eval[bool](p, `location.hash = '#t=3.50&eye=a', true`)
				p.await(now + ` === 3.5 && document.querySelector('[data-member="c"]').classList.contains('evicted')`)
				p.await(`document.querySelector('[data-member="c"] .pill').textContent === 'evicted' && document.querySelector('[data-member="c"] .sign').textContent === '◇'`)
				p.await(`document.getElementById('say').textContent.startsWith('a, b go on without c: ')`)
				p.await(`[...document.querySelectorAll('#log li')].some(e => e.textContent.includes('◇view 2: the members are a, b; c was evicted'))`)
				p.fits()
				p.picture(fmt.Sprintf("replay-evicted-%s-%d", theme, width))
				p = tools.open(t, diagram+"#from=0&to=6000000", look{width: width, height: 900, theme: theme})
				p.await(ready)
				if marks, lines := count(p, "path.lane.view"), count(p, "line.lane.out"); marks < 3 || lines == 0 {
					t.Errorf("%d marks of views, %d lines of who is out", marks, lines)
				}
				p.await(`['view 2: without c', 'view 2: is out'].every(say => [...document.querySelectorAll('#d text.said')].some(e => e.textContent === say))`)
				p.fits()
				p.picture(fmt.Sprintf("diagram-evicted-%s-%d", theme, width))
			})
		}
	}
}

func TestBothWidthsAndThemes(t *testing.T) {
	tools := prepare(t)
	address, _ := tools.serve(t, "replay", record(t, tools, halves))
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 400} {
			t.Run(fmt.Sprint(theme, width), func(t *testing.T) {
				p := tools.open(t, address+"#t=3.70&eye=a", look{width: width, height: 800, theme: theme})
				p.await(now + " === 3.7 && " + settled("a") + " > 0")
				p.await(`document.querySelector('#plot canvas') && document.querySelectorAll('.span').length > 0`)
				if wide := eval[float64](p, `document.scrollingElement.scrollWidth - innerWidth`); wide > 0 {
					t.Errorf("the page is %v pixels wider than the window", wide)
				}
				over := eval[[]string](p, `[...document.querySelectorAll('h1, h2, .figs dd, .figs dt, #mode, #now, .ctl button, td, #log button')]
					.filter(e => e.getClientRects().length && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))`)
				if len(over) > 0 {
					t.Errorf("beyond the right edge: %q", over)
				}
				ground := eval[string](p, `getComputedStyle(document.documentElement).backgroundColor`)
				if dark := ground == "rgb(13, 16, 19)"; dark != (theme == "dark") {
					t.Errorf("the ground of the %s theme is %s", theme, ground)
				}
				p.picture(fmt.Sprintf("%s-%d", theme, width))
			})
		}
	}
}

func TestNothingMovesForWhoWantsNoMotion(t *testing.T) {
	tools := prepare(t)
	address, _ := tools.serve(t, "replay", record(t, tools, halves))
	p := tools.open(t, address, look{width: 1280, height: 800, theme: "light", still: true})
	p.await(`document.getElementById('play').getAttribute('aria-label') === 'Play'`)
	p.do(chromedp.KeyEvent("n"))
	p.await(now + " > 0")
	first := eval[float64](p, now)
	if moved := eval[float64](p, `new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(`+now+`))))`); moved != first {
		t.Errorf("time went from %v to %v by itself", first, moved)
	}
}

// TestClicksChangeASimulatedRun breaks a seed in virtual time: it is run again
// with what was clicked.
func TestClicksChangeASimulatedRun(t *testing.T) {
	tools := prepare(t)
	file := filepath.Join(t.TempDir(), "well.case")
	if err := os.WriteFile(file, []byte(halves[:strings.Index(halves, "1500ms")]), 0o600); err != nil {
		t.Fatal(err)
	}
	address, _ := tools.serve(t, "sim", "--failure-map", file, "--dashboard", "127.0.0.1:0")
	p := tools.open(t, address+"#t=2.00", desktop())
	p.await(`location.pathname === '/'`)
	p.await(settled("a") + " > 0")
	p.do(chromedp.KeyEvent(kb.Home))
	for range 2 {
		p.do(chromedp.KeyEvent(kb.ArrowRight, chromedp.KeyModifiers(kb.ModifierShift)))
	}
	p.await(now + " === 2")
	p.click(`[data-member="e"] .disc`)
	p.press("Cut off")
	p.await(`document.getElementById('map').textContent.includes('2s e <-> * cut')`)
	p.do(chromedp.KeyEvent(kb.ArrowRight, chromedp.KeyModifiers(kb.ModifierShift)))
	p.await(state("e->a") + ` === "cut" && document.getElementById('say').textContent.includes('e')`)
	before := eval[int](p, settled("a"))
	p.do(chromedp.KeyEvent(kb.ArrowRight, chromedp.KeyModifiers(kb.ModifierShift)))
	p.await(now + " === 4")
	if after := eval[int](p, settled("a")); after != before {
		t.Errorf("e is cut off, and still the settled entries of a went from %d to %d", before, after)
	}
	p.picture("simulated")
}

// TestHostileTextIsShownAsText replays a trace whose notes are made to break
// pages. Names are letters, digits and a few signs: the reader refuses others.
func TestHostileTextIsShownAsText(t *testing.T) {
	tools := prepare(t)
	const note = `</script><img src=x onerror=alert(1)><script>alert(2)</script> & "more"`
	quoted, err := json.Marshal(note)
	if err != nil {
		t.Fatal(err)
	}
	text := `{"trace":2,"members":["a","b.example:80"],"protocol":"delta","seed":"1"}
{"at":0,"what":"start","member":0,"identity":"1","life":1}
{"at":0,"what":"start","member":1,"identity":"2","life":1}
{"at":100000000,"what":"fault","member":0,"note":` + string(quoted) + `}
{"at":200000000,"what":"append","member":0,"stream":0,"identity":"1","seq":1,"count":1,"time":1,"bytes":48,"hash":"c0"}
{"at":900000000,"what":"crash","member":1,"note":` + string(quoted) + `}
{"end":5}
`
	file := filepath.Join(t.TempDir(), "hostile.jsonl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	address, _ := tools.serve(t, "replay", file)
	p := tools.open(t, address, desktop())
	p.do(chromedp.KeyEvent(kb.End))
	p.await(fmt.Sprintf(`[...document.querySelectorAll('#log span')].some(e => e.textContent === %s)`, quoted))
	p.await(fmt.Sprintf(`document.getElementById('map').textContent === %s`, quoted))
	if made := eval[int](p, `document.querySelectorAll('img, #log b, script:not([src]), [onerror]').length`); made != 0 {
		t.Errorf("%d elements were made of text", made)
	}
	p.await(`document.querySelector('[data-member="b.example:80"]').classList.contains('down')`)
	p.picture("hostile")
}

// TestAMillionEventsOpen replays a long trace, and draws it: both are thinned and
// say so.
func TestAMillionEventsOpen(t *testing.T) {
	tools := prepare(t)
	long := strings.Replace(halves, "send=5s", "send=150s", 1)
	events := record(t, tools, strings.Replace(long, "rates=6,6,6,6,6", "rates=30,30,30,30,30", 1))
	began := time.Now()
	address, _ := tools.serve(t, "replay", events)
	p := tools.open(t, address, desktop())
	p.await(`document.getElementById('note').textContent.includes('thinned')`)
	p.await(`document.getElementById('now').textContent.match(/of 15\d/)`)
	t.Logf("all of it is on the page after %v", time.Since(began))
	p.do(chromedp.KeyEvent(kb.End))
	p.await(`document.getElementById('say').textContent.startsWith('Complete.')`)
	data, err := os.ReadFile(events)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Count(string(data), "\n")
	final := string(data[strings.LastIndex(string(data), `"what":"final"`):])
	_, after, _ := strings.Cut(final, `"position":`)
	position, _, _ := strings.Cut(after, ",")
	if got := eval[string](p, `String(`+settled("a")+`)`); got != position || lines < 800_000 {
		t.Errorf("%s entries are settled on the page, the result of %d events has %s", got, lines, position)
	}
	p.picture("million")

	began = time.Now()
	diagram := tools.draw(t, events)
	t.Logf("drawn after %v", time.Since(began))
	began = time.Now()
	p = tools.open(t, diagram, desktop())
	p.await(ready)
	t.Logf("the diagram is there after %v", time.Since(began))
	p.await(`document.getElementById('thinned').textContent.startsWith('Thinned: ')`)
	p.picture("diagram-million")
}
