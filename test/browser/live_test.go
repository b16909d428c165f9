package browser

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// pair runs two members, slowly, for as long as the test looks.
func pair(t *testing.T, tools tools, more ...string) string {
	t.Helper()
	args := append([]string{"cluster", "--nodes", "2", "--rate", "20", "--send-for", "300", "--dashboard", "127.0.0.1:0"}, more...)
	address, _ := tools.serve(t, args...)
	return address
}

// passes waits until so many seconds of the run have passed on the page.
func (p *tab) passes(seconds float64) {
	p.t.Helper()
	p.await(fmt.Sprintf("%s >= %f", now, eval[float64](p, now)+seconds))
}

func TestClicksCutAndHealARunningCluster(t *testing.T) {
	tools := prepare(t)
	p := tools.open(t, pair(t, tools), desktop())
	p.await(settled("a") + " > 5 && " + settled("b") + " > 5")
	before := eval[int](p, settled("a"))
	p.await(fmt.Sprintf("%s > %d", settled("a"), before)) // numbers move
	p.picture("pair")

	p.click(`[data-link="a->b"] .wire`)
	p.await(state("a->b") + ` === "cut" && ` + state("b->a") + ` === "cut"`)
	stands := eval[int](p, settled("a"))
	for range 10 { // what was under way arrives first, later on a busy machine
		p.passes(1.2)
		still := eval[int](p, settled("a"))
		if still == stands {
			break
		}
		stands = still
	}
	p.passes(1.2)
	if still := eval[int](p, settled("a")); still != stands {
		t.Errorf("the link is cut, and still the settled entries went from %d to %d", stands, still)
	}
	p.await(`document.getElementById('say').textContent.startsWith('Two parts')`)
	p.await(`document.querySelector('[data-member="a"] .pill').getAttribute('visibility') === 'visible'`)
	p.picture("pair-cut")

	p.click(`[data-link="a->b"] .wire`)
	p.await(state("a->b") + ` === "up" && ` + state("b->a") + ` === "up"`)
	p.await(fmt.Sprintf("%s > %d && %s > %d", settled("a"), stands+20, settled("b"), stands+20))
	p.await(`document.getElementById('map').textContent.includes('cut') && document.getElementById('map').textContent.includes('heal')`)

	p.click(`[data-link="b->a"] .wire`, kb.ModifierShift)
	p.await(state("b->a") + ` === "cut" && ` + state("a->b") + ` !== "cut"`)
	p.picture("pair-one-way")
}

func TestEveryClickHasAKey(t *testing.T) {
	tools := prepare(t)
	p := tools.open(t, pair(t, tools), desktop())
	p.await(settled("a") + " > 5")
	eval[bool](p, `document.querySelector('[data-link="a->b"]').focus(), true`)
	p.do(chromedp.KeyEvent(kb.Enter))
	p.await(state("a->b") + ` === "cut" && ` + state("b->a") + ` === "cut"`)
	p.do(chromedp.KeyEvent(kb.ArrowRight))
	p.await(`document.activeElement.dataset.link === 'b->a'`)
	p.do(chromedp.KeyEvent(kb.Enter))
	p.await(state("a->b") + ` === "up"`)
	eval[bool](p, `document.querySelector('[data-member="b"]').focus(), true`)
	p.do(chromedp.KeyEvent(kb.Enter))
	p.await(`document.getElementById('eyename').textContent === 'b'`)
	p.await(`[...document.querySelectorAll('#deeds button')].some(b => b.textContent === 'Pause')`)
	p.do(chromedp.KeyEvent("1"))
	p.await(`document.getElementById('eyename').textContent === 'a'`)
	// Everything that can be clicked can be reached by Tab.
	lost := eval[[]string](p, `[...document.querySelectorAll('button, a[href], select, summary, [role=button], [role=slider]')]
		.filter(e => e.getClientRects().length && e.tabIndex < 0 && !e.closest('.link')).map(e => e.outerHTML.slice(0, 80))`)
	if len(lost) > 0 {
		t.Errorf("no key reaches %q", lost)
	}
	nameless := eval[[]string](p, `[...document.querySelectorAll('button, a[href], select, [role=button], [role=slider]')]
		.filter(e => e.getClientRects().length && !(e.getAttribute('aria-label') || e.closest('label') || e.textContent.trim())).map(e => e.outerHTML.slice(0, 80))`)
	if len(nameless) > 0 {
		t.Errorf("without a name: %q", nameless)
	}
	eval[bool](p, `document.activeElement.blur(), true`)
	p.do(chromedp.KeyEvent(" "))
	p.await(`document.getElementById('mode').textContent === 'looking back'`)
	p.do(chromedp.KeyEvent(kb.Home))
	p.await(now + " < 0.5")
	p.do(chromedp.KeyEvent("l"))
	p.await(`document.getElementById('mode').textContent.includes('live')`)
	p.do(chromedp.KeyEvent("?"))
	p.await(`document.getElementById('keys').open`)
}

func TestMembersPauseCrashAndComeBack(t *testing.T) {
	tools := prepare(t)
	p := tools.open(t, pair(t, tools, "--data-dir", t.TempDir()), desktop())
	p.await(settled("a") + " > 5")
	p.click(`[data-member="b"] .disc`)
	p.press("Pause")
	p.await(`document.querySelector('[data-member="b"]').classList.contains('paused') && ` + state("a->b") + ` === "idle"`)
	p.await(`document.getElementById('say').textContent.includes('stands still')`)
	p.picture("paused")
	p.press("Resume")
	p.await(`document.querySelector('[data-member="b"]').classList.contains('running')`)
	p.press("Crash")
	p.await(`document.querySelector('[data-member="b"]').classList.contains('down')`)
	p.passes(1)
	p.picture("down")
	p.press("Restart")
	p.await(`document.querySelector('[data-member="b"]').classList.contains('running')`)
	p.await(`[...document.querySelectorAll('#log span')].some(e => e.textContent === 'b is back, with its data')`)
	held := eval[int](p, settled("a"))
	p.await(fmt.Sprintf("%s > %d && %s > %d", settled("a"), held, settled("b"), held))
	p.click(`[data-link="a->b"] .wire`, kb.ModifierShift) // chooses it, and cuts it one way
	p.await(state("a->b") + ` === "cut"`)
	p.press("Heal")
	p.await(state("a->b") + ` === "up"`)
	for text, want := range map[string]string{"Lose 30 %": "lossy", "+200 ms": "slow"} {
		p.press(text)
		p.await(state("a->b") + fmt.Sprintf(" === %q", want))
		p.press("Heal")
		p.await(state("a->b") + ` === "up"`)
	}
}

// TestCrossingLinksAreToldApart clicks links whose middles lie on each other.
func TestCrossingLinksAreToldApart(t *testing.T) {
	tools := prepare(t)
	address, _ := tools.serve(t, "cluster", "--nodes", "4", "--rate", "20", "--send-for", "300", "--dashboard", "127.0.0.1:0")
	p := tools.open(t, address, desktop())
	p.await(settled("a") + " > 5")
	for _, link := range []string{"a->c", "c->a", "b->d", "d->b"} {
		p.click(fmt.Sprintf(`[data-link="%s"]`, link), kb.ModifierShift)
		p.await(state(link) + ` === "cut"`)
	}
	if cut := eval[int](p, `document.querySelectorAll('[data-state=cut]').length`); cut != 4 {
		t.Errorf("%d links are cut by four clicks, one way each", cut)
	}
	p.picture("crossing")
}

func TestALostConnectionIsSaid(t *testing.T) {
	tools := prepare(t)
	address, command := tools.serve(t, "cluster", "--nodes", "2", "--rate", "20", "--send-for", "300", "--dashboard", "127.0.0.1:0")
	p := tools.open(t, address, desktop())
	p.await(settled("a") + " > 5")
	p.mu.Lock()
	p.calm = true // the browser logs each connection that fails
	p.mu.Unlock()
	if err := command.Process.Signal(os.Kill); err != nil {
		t.Fatal(err)
	}
	p.await(`document.body.classList.contains('lost') && document.getElementById('lostsay').textContent.includes('Next try in')`)
	p.await(`document.getElementById('mode').textContent === '○ not live'`)
	stands := eval[int](p, settled("a"))
	p.click(`[data-link="a->b"] .wire`)
	p.await(`document.getElementById('toast').classList.contains('on')`)
	if moved := eval[int](p, settled("a")); moved != stands {
		t.Errorf("what is shown moved from %d to %d without a connection", stands, moved)
	}
	p.picture("lost")
}

func TestThePageStaysAfterTheRunWhileSomebodyWatches(t *testing.T) {
	tools := prepare(t)
	address, command := tools.serve(t, "cluster", "--nodes", "3", "--rate", "20", "--send-for", "2", "--wait-for", "3", "--dashboard", "127.0.0.1:0")
	p := tools.open(t, address, desktop())
	p.await(`document.getElementById('mode').textContent === 'run over'`)
	p.await(`document.getElementById('say').textContent.startsWith('Complete.')`)
	p.do(chromedp.KeyEvent(kb.Home))
	p.await(now + " === 0 && " + settled("a") + " === 0")
	p.click("#play")
	p.await(settled("a") + " > 0")
	p.picture("over")
	p.mu.Lock()
	p.calm = true
	p.mu.Unlock()
	p.do(chromedp.Navigate("about:blank"))
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the run agreed, and ends with %v", err)
		}
	case <-time.After(patience):
		t.Error("nobody watches, and still it stays")
	}
}

func TestWithoutTheTokenThePageOnlyLooks(t *testing.T) {
	tools := prepare(t)
	address := pair(t, tools)
	p := tools.open(t, address[:strings.LastIndex(strings.TrimSuffix(address, "/"), "/")+1], desktop())
	p.await(settled("a") + " > 5")
	p.click(`[data-link="a->b"] .wire`)
	p.passes(.6)
	if got := eval[string](p, state("a->b")); got != "up" || !eval[bool](p, `document.getElementById('deeds').hidden`) {
		t.Errorf("the link is %s after a click of somebody without the token", got)
	}
}
