package browser

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// hostile is a payload that would be markup, were it not text.
const hostile = `<img src=x onerror="document.title='broken'"><script>document.title='broken'</script>`

// stay is a cluster of three members that are served, in processes.
type stay struct {
	tools   tools
	t       *testing.T
	folder  string
	ports   [3]string
	running [3]*exec.Cmd
	web     [3]string // where HTTP is
	page    [3]string // where the page is
}

func newStay(t *testing.T, tools tools) *stay {
	t.Helper()
	s := &stay{tools: tools, t: t, folder: t.TempDir()}
	var list []any
	for i, name := range []string{"ann", "bob", "cy"} {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000)))
		if err != nil {
			t.Fatal(err)
		}
		_ = listener.Close()
		address := listener.Addr().(*net.TCPAddr)
		s.ports[i] = fmt.Sprint(address.Port)
		list = append(list, map[string]any{"name": name, "host": "127.0.0.1", "port": address.Port})
	}
	text, err := json.Marshal(list)
	if err == nil {
		err = os.WriteFile(filepath.Join(s.folder, "peers.json"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.running {
		s.start(i)
	}
	return s
}

// start starts a member and waits until it serves.
func (s *stay) start(i int) {
	s.t.Helper()
	command := exec.Command(s.tools.chatterbox, "serve", "-p", s.ports[i], "--data-dir", fmt.Sprint("data", i), "--dashboard", "127.0.0.1:0")
	command.Dir = s.folder
	talk, err := command.StderrPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.running[i] = command
	serving := make(chan bool, 1)
	var reading sync.WaitGroup
	reading.Go(func() {
		for lines := bufio.NewScanner(talk); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), "=")
			switch name {
			case "http":
				s.web[i] = "http://" + value
			case "dashboard":
				s.page[i] = value
			case "ready":
				serving <- true
			}
		}
		close(serving)
	})
	s.t.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt)
		reading.Wait()
		_ = command.Wait()
	})
	select {
	case ready := <-serving:
		if !ready || s.page[i] == "" {
			s.t.Fatalf("member %d ended without a page", i)
		}
	case <-time.After(patience):
		s.t.Fatal("no page")
	}
}

// kill ends a member as a crash does.
func (s *stay) kill(i int) {
	_ = s.running[i].Process.Kill()
	_ = s.running[i].Wait()
}

// write lets a member take an entry.
func (s *stay) write(i int, text string) {
	s.t.Helper()
	for {
		answer, err := http.Post(s.web[i]+"/v1/entries", "application/octet-stream", strings.NewReader(text))
		if err != nil {
			s.t.Fatal(err)
		}
		_ = answer.Body.Close()
		switch answer.StatusCode {
		case http.StatusCreated:
			return
		case http.StatusServiceUnavailable: // not met yet
		default:
			s.t.Fatal(answer.Status)
		}
	}
}

// TestServedMemberShowsWhatItKnows watches a member of a cluster that stays:
// its numbers move, who is killed is said to be silent and to be waited for,
// nothing can be done from the page, and an end of the member is said.
func TestServedMemberShowsWhatItKnows(t *testing.T) {
	tools := prepare(t)
	s := newStay(t, tools)
	p := tools.open(t, s.page[0], desktop())
	for i := range 12 {
		s.write(i%3, hostile)
	}
	p.await(settled("ann") + " === 12 && " + settled("bob") + " === 12 && " + settled("cy") + " === 12")
	p.await(state("bob->ann") + ` === "up" && ` + state("ann->cy") + ` === "up" && ` + state("bob->cy") + ` === "unknown"`)
	p.await(`document.getElementById('say').textContent === 'ann hears both others. Everything settles.'`)
	p.await(`document.getElementById('eyename').textContent === 'ann' && document.title === 'ann · chatterbox'`)
	eval[bool](p, `document.getElementById('aslist').click(), true`)
	p.await(`document.querySelectorAll('#orderlist li').length > 0 && document.getElementById('orderlist').textContent.includes('settled at 12')`)
	eval[bool](p, `document.getElementById('aslist').click(), true`)
	p.picture("served")

	// It only looks: no button does anything to the cluster, and nothing else can.
	buttons := eval[[]string](p, `[...document.querySelectorAll('button, a[href], [role=button]')].filter(e => e.getClientRects().length && !e.closest('.time, .bar, .order, #log, .member')).map(e => e.outerHTML)`)
	if len(buttons) > 0 {
		t.Errorf("besides what moves the picture there are %q", buttons)
	}
	if look := eval[string](p, `document.querySelector('[data-link="bob->ann"]').getAttribute('role')`); look != "img" {
		t.Errorf("a link is a %s", look)
	}
	p.calmly(func() {
		for path, want := range map[string]int{"act": 405, "film": 405, "map": 405, "trace": 405} {
			if got := eval[int](p, fmt.Sprintf(`fetch(%q, {method: 'POST', headers: {'Chatterbox-Act': '1'}, body: '1s * <-> * cut'}).then(a => a.status)`, path)); got != want && got != 404 {
				t.Errorf("POST %s: %d", path, got)
			}
		}
	})

	s.kill(2)
	s.write(0, "waits")
	p.await(`document.querySelector('[data-member="cy"]').classList.contains('silent')`)
	p.await(`document.getElementById('say').textContent === 'cy is not heard.' && document.getElementById('sub').textContent.startsWith('ann waits for cy: ')`)
	p.await(state("cy->ann") + ` === "gone" && ` + settled("ann") + " === 12")
	p.await(`[...document.querySelectorAll('#log span')].some(e => e.textContent.startsWith('cy is not heard')) && document.querySelectorAll('.span.hard').length === 1`)
	p.passes(1)
	p.picture("served-silent")

	s.start(2)
	p.await(settled("ann") + " === 13 && " + settled("cy") + " === 13 && " + state("cy->ann") + ` === "up"`)
	p.await(`[...document.querySelectorAll('#log span')].some(e => e.textContent.startsWith('cy is heard again')) && document.querySelectorAll('[data-member].silent').length === 0`)

	p.calmly(func() {
		s.kill(0)
		p.await(`document.body.classList.contains('lost') && document.getElementById('lostsay').textContent.includes('What you see is from')`)
		p.picture("served-lost")
	})
}

// TestServedPageShowsWhoIsEvicted has the others go on without cy, which is gone:
// the page says so, shows it faint, and misses nobody any more.
func TestServedPageShowsWhoIsEvicted(t *testing.T) {
	tools := prepare(t)
	s := newStay(t, tools)
	p := tools.open(t, s.page[0], desktop())
	s.write(2, "told")
	p.await(settled("ann") + " === 1")
	s.kill(2)
	s.write(0, "waits")
	p.await(`document.querySelector('[data-member="cy"]').classList.contains('silent')`)
	answer, err := http.Post(s.web[1]+"/v1/members", "application/json", strings.NewReader(`{"action":"evict","name":"cy"}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		t.Fatal(answer.Status)
	}
	p.await(`document.querySelector('[data-member="cy"]').classList.contains('evicted') && document.querySelector('[data-member="cy"]').textContent.includes('evicted')`)
	p.await(`document.getElementById('say').textContent === 'ann hears bob. Everything settles.' && ` + settled("ann") + " === 2")
	p.await(`[...document.querySelectorAll('#log span')].some(e => e.textContent.startsWith('view 2: the members are ann, bob; cy was evicted'))`)
	p.picture("served-evicted")
}

// TestServedPageFits looks at both widths in both themes.
func TestServedPageFits(t *testing.T) {
	tools := prepare(t)
	s := newStay(t, tools)
	for i := range 9 {
		s.write(i%3, "x")
	}
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 400} {
			t.Run(fmt.Sprint(theme, width), func(t *testing.T) {
				p := tools.open(t, s.page[1], look{width: width, height: 800, theme: theme})
				p.await(settled("bob") + " >= 9")
				p.await(`document.querySelector('#plot canvas')`)
				p.fits()
				p.picture(fmt.Sprintf("served-%s-%d", theme, width))
			})
		}
	}
}
