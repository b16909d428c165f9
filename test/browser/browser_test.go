// Package browser tests the page in a real browser: headless Chromium, real
// mouse and keys, real clusters of processes. It is a module of its own, so
// that nobody who uses the library depends on what drives the browser.
//
// Without a chromium the tests are skipped; CHATTERBOX_BROWSER=required makes
// that a failure. Pictures go to the folder that CHATTERBOX_SCREENSHOTS names.
package browser

import (
	"bufio"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// tools are what all tests share.
type tools struct {
	chatterbox string          // path
	chromium   context.Context // a browser that runs
}

// patience is how long anything may take on a busy machine.
const patience = time.Minute

// chromium is the browser of all tests, once one has started it: to start it
// takes longer than most tests.
var chromium struct {
	ctx  context.Context
	stop func()
}

func TestMain(m *testing.M) {
	status := m.Run()
	if chromium.stop != nil {
		chromium.stop()
	}
	os.Exit(status)
}

// browse starts the browser, unless it runs.
func browse(t *testing.T, path string) context.Context {
	t.Helper()
	if chromium.ctx == nil {
		options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox)
		allocator, gone := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, stop := chromedp.NewContext(allocator)
		if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
			t.Fatal(err)
		}
		chromium.ctx, chromium.stop = ctx, func() { stop(); gone() }
	}
	return chromium.ctx
}

// prepare builds the program and finds the browser.
func prepare(t *testing.T) tools {
	t.Helper()
	found := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			found = path
			break
		}
	}
	if found == "" {
		if os.Getenv("CHATTERBOX_BROWSER") == "required" {
			t.Fatal("there is no chromium, and CHATTERBOX_BROWSER=required: install Debian's package chromium")
		}
		t.Skip("there is no chromium: install Debian's package chromium to run this test")
	}
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Once for all tests, beside their own program: go test removes that folder.
	program := filepath.Join(filepath.Dir(own), fmt.Sprintf("chatterbox-%d", os.Getpid()))
	if _, err := os.Stat(program); err == nil {
		return tools{program, browse(t, found)}
	}
	build := exec.Command("go", "build", "-o", program, "./cmd/chatterbox")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return tools{program, browse(t, found)}
}

// serve runs the program until the test ends and returns where its page is.
func (tools tools) serve(t *testing.T, args ...string) (address string, command *exec.Cmd) {
	t.Helper()
	command = exec.Command(tools.chatterbox, args...)
	talk, err := command.StderrPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	found := make(chan string, 1)
	var reading sync.WaitGroup
	reading.Go(func() {
		lines := bufio.NewScanner(talk)
		for lines.Scan() {
			if address, ok := strings.CutPrefix(lines.Text(), "dashboard="); ok {
				found <- address
			}
		}
		close(found)
	})
	t.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt)
		reading.Wait()
		_ = command.Wait()
	})
	select {
	case address, ok := <-found:
		if !ok {
			t.Fatalf("chatterbox %q ended without a page", args)
		}
		return address, command
	case <-time.After(patience):
		t.Fatal("no page")
	}
	return "", nil
}

// run runs the program to its end.
func (tools tools) run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(tools.chatterbox, args...).CombinedOutput(); err != nil {
		t.Fatalf("chatterbox %q: %v\n%s", args, err, out)
	}
}

// tab is a page in a browser, with all that went wrong in it.
type tab struct {
	t    *testing.T
	ctx  context.Context
	host string

	mu    sync.Mutex // guards all below
	wrong []string
	calm  bool // nothing that goes wrong from now on counts
}

// look is how a page is looked at.
type look struct {
	width, height int64
	theme         string // light or dark
	still         bool   // no motion is wanted
}

func desktop() look { return look{width: 1280, height: 800, theme: "light"} }

// open opens a page, with cookies, storage and a cache of its own.
func (tools tools) open(t *testing.T, address string, look look) *tab {
	t.Helper()
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(tools.chromium, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*patience)
	t.Cleanup(cancel)
	p := &tab{t: t, ctx: ctx, host: parsed.Host}
	p.do(chromedp.Navigate("about:blank"))
	if err := chromedp.Listen(ctx, p.hear); err != nil {
		t.Fatal(err)
	}
	call(p, log.Enable, cdp.Empty{})
	call(p, runtime.Enable, cdp.Empty{})
	call(p, network.Enable, network.EnableParams{})
	call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: look.width, Height: look.height, DeviceScaleFactor: 1, Mobile: look.width < 600,
	})
	motion := "no-preference"
	if look.still {
		motion = "reduce"
	}
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: look.theme}, {Name: "prefers-reduced-motion", Value: motion},
	}})
	p.do(chromedp.Navigate(address))
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, wrong := range p.wrong {
			t.Errorf("in the page: %s", wrong)
		}
	})
	return p
}

func call[P, R any](p *tab, command cdp.Command[P, R], params P) {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, command, params); err != nil {
		p.t.Fatal(err)
	}
}

// hear notes errors, and requests to anywhere else.
func (p *tab) hear(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	note := func(format string, args ...any) {
		if !p.calm {
			p.wrong = append(p.wrong, fmt.Sprintf(format, args...))
		}
	}
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		note("exception: %s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception)
	case *runtime.EventConsoleAPICalled:
		note("console: %s", e.Type)
	case *log.EventEntryAdded:
		note("log: %s %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL)
	case *network.EventRequestWillBeSent:
		if to, err := url.Parse(e.Request.URL); err != nil || to.Host != p.host && to.Scheme != "data" && to.Scheme != "about" {
			note("fetches %s", e.Request.URL)
		}
	}
}

func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// eval evaluates an expression in the page.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// await waits until an expression is true.
func (p *tab) await(expression string) {
	p.t.Helper()
	_, err := chromedp.Run(p.ctx, chromedp.Poll[bool]("!!("+expression+")", chromedp.WithPollingInterval(30*time.Millisecond), chromedp.WithPollingTimeout(patience)))
	if err != nil {
		p.t.Fatalf("never: %s: %v; the page says %q", expression, err, eval[string](p, "document.body.innerText.slice(0, 300)"))
	}
}

func settled(member string) string {
	return fmt.Sprintf(`+document.querySelector('[data-member=%q]')?.dataset.settled`, member)
}

func state(link string) string {
	return fmt.Sprintf(`document.querySelector('[data-link=%q]')?.dataset.state`, link)
}

// now is the moment that is shown, in seconds of the run.
const now = `parseFloat(document.getElementById('now').textContent)`

// click clicks the middle of an element with the mouse.
func (p *tab) click(selector string, modifiers ...chromedp.Modifier) {
	p.t.Helper()
	at := eval[[]float64](p, fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()`, selector))
	p.do(chromedp.MouseClickXY(at[0], at[1], chromedp.ButtonModifiers(modifiers...)))
}

// press presses the button of the bar that says something.
func (p *tab) press(text string) {
	p.t.Helper()
	p.await(fmt.Sprintf(`[...document.querySelectorAll('#deeds button')].some(b => b.textContent === %q)`, text))
	eval[bool](p, fmt.Sprintf(`[...document.querySelectorAll('#deeds button')].find(b => b.textContent === %q).click(), true`, text))
}

// picture keeps a picture of the page for somebody to look at.
func (p *tab) picture(name string) {
	p.t.Helper()
	folder := os.Getenv("CHATTERBOX_SCREENSHOTS")
	if folder == "" {
		folder = p.t.TempDir()
	}
	shot, err := chromedp.Call(p.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{})
	if err == nil {
		err = os.MkdirAll(folder, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, name+".png"), shot.Data, 0o644)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	if len(shot.Data) < 10_000 {
		p.t.Errorf("the picture %s has %d bytes: there is nothing on it", name, len(shot.Data))
	}
}

// calmly does what the browser is expected to complain about.
func (p *tab) calmly(do func()) {
	set := func(calm bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.calm = calm
	}
	set(true)
	do()
	set(false)
}
