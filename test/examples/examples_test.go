//go:build unix

// Package examples_test runs the programs in examples/ against a cluster of three
// real members, one of which is killed meanwhile.
package examples_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatterbox/test/program"
)

const (
	members   = 3
	entries   = 4 // that each example sends
	waitAtAll = 60 * time.Second
)

// crew is a cluster of processes.
type crew struct {
	t       *testing.T
	binary  string
	folder  string
	web     [members]string
	port    [members]string
	running [members]*exec.Cmd
}

func newCrew(t *testing.T) *crew {
	c := &crew{t: t, binary: program.Build(t), folder: t.TempDir()}
	var peers [members]string
	ports := program.Ports(t, 2*members)
	for i := range members {
		c.port[i] = fmt.Sprint(ports[i])
		peers[i], c.web[i] = "127.0.0.1:"+c.port[i], fmt.Sprintf("127.0.0.1:%d", ports[members+i])
	}
	list, err := json.Marshal(peers)
	if err == nil {
		err = os.WriteFile(filepath.Join(c.folder, "peers.json"), list, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := range members {
		c.start(i)
	}
	t.Cleanup(func() {
		for i := range members {
			c.kill(i)
		}
	})
	return c
}

func (c *crew) start(i int) {
	c.t.Helper()
	command := exec.Command(c.binary, "serve", "--port", c.port[i], "--data-dir", fmt.Sprint("data-", i), "--http", c.web[i])
	command.Dir = c.folder
	if err := command.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.running[i] = command
}

func (c *crew) kill(i int) {
	_ = c.running[i].Process.Kill()
	_ = c.running[i].Wait()
}

// log reads what has settled at a member.
func (c *crew) log(of int) string {
	response, err := http.Get("http://" + c.web[of] + "/v1/entries")
	if err != nil {
		return ""
	}
	defer response.Body.Close() //nolint:errcheck // only read
	text, _ := io.ReadAll(response.Body)
	return string(text)
}

// examples are the commands of each language.
func examples(t *testing.T) map[string][]string {
	t.Helper()
	folder, err := filepath.Abs("../../examples/http")
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "example")
	if talk, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "chatterbox/examples/http").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, talk)
	}
	all := map[string][]string{"go": {binary}}
	for name, command := range map[string][]string{"sh": {"sh", filepath.Join(folder, "log.sh")}, "python": {"python3", filepath.Join(folder, "log.py")}} {
		needed := command[0]
		if name == "sh" {
			needed = "curl"
		}
		if _, err := exec.LookPath(needed); err != nil {
			t.Logf("%s is left out: %v", name, err)
			continue
		}
		all[name] = command
	}
	return all
}

// place is where an entry came to stand, and what it is.
type place struct {
	Position uint64
	Origin   string
	Seq      uint64
	Payload  string
}

// TestExamplesWork: each example sends, to all members in turn, each entry twice
// with one key; each follows the whole log at another member, which is killed and
// started again meanwhile. Every entry is there once, and read by all in the one
// order.
func TestExamplesWork(t *testing.T) {
	program.OnlyAmongAll(t)
	c := newCrew(t)
	ctx, cancel := context.WithTimeout(t.Context(), waitAtAll)
	defer cancel()
	all := examples(t)
	total := len(all) * entries
	followers := map[string]*follower{}
	for name, command := range all {
		followers[name] = c.follow(ctx, command, total)
	}
	sent := map[string]place{} // by text
	for n := range entries {
		for name, command := range all {
			text := fmt.Sprintf("entry %d of %s, é \"quoted\"", n, name)
			for range 2 { // the second time is a retry
				p := c.send(ctx, command, n%members, name+fmt.Sprint(n), text)
				if before, again := sent[text]; again && before != p {
					t.Errorf("%s: %q is at %+v, and was at %+v", name, text, p, before)
				}
				sent[text] = p
			}
		}
		if n == entries/2 {
			c.kill(members - 1) // where the followers are
			c.start(members - 1)
		}
	}
	for name, f := range followers {
		got := f.wait()
		for i, p := range got {
			if want := sent[p.Payload]; p.Position != uint64(i)+1 || want.Position != p.Position || want.Origin != p.Origin || want.Seq != p.Seq {
				t.Errorf("%s reads %+v at place %d, sent was %+v", name, p, i+1, want)
			}
		}
		if len(got) != total {
			t.Errorf("%s reads %d entries of %d; it said %s", name, len(got), total, f.talk.String())
		}
	}
	if text := c.log(0); strings.Count(text, "\n") != total {
		t.Errorf("the log is\n%s", text)
	}
}

func (c *crew) send(ctx context.Context, command []string, to int, key, text string) (p place) {
	c.t.Helper()
	run := exec.CommandContext(ctx, command[0], append(command[1:], "send", c.web[to], key, text)...)
	var talk bytes.Buffer
	run.Stderr = &talk
	out, err := run.Output()
	if err == nil {
		err = json.Unmarshal(out, &p)
	}
	if err != nil || p.Position == 0 {
		c.t.Fatalf("%v: %v, printed %q, said %s", command, err, out, talk.String())
	}
	return p
}

// follower is an example that reads the log.
type follower struct {
	run  *exec.Cmd
	out  io.Reader
	talk bytes.Buffer
}

func (c *crew) follow(ctx context.Context, command []string, count int) *follower {
	c.t.Helper()
	f := &follower{run: exec.CommandContext(ctx, command[0], append(command[1:], "follow", c.web[members-1], "1", fmt.Sprint(count))...)}
	f.run.Stderr = &f.talk
	var err error
	if f.out, err = f.run.StdoutPipe(); err == nil {
		err = f.run.Start()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return f
}

func (f *follower) wait() (all []place) {
	for lines := bufio.NewScanner(f.out); lines.Scan(); {
		var p place
		_ = json.Unmarshal(lines.Bytes(), &p) // what is no entry has no position
		all = append(all, p)
	}
	_ = f.run.Wait() // what it read tells enough
	return all
}
