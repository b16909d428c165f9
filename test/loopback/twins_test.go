//go:build unix

package loopback_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatterbox/test/program"
)

// twin is a member that runs with a log that others read meanwhile.
type twin struct {
	command *exec.Cmd
	stdout  bytes.Buffer
	log     string // path
}

// startTwin starts a member that says all it does.
func startTwin(t *testing.T, binary, name string, arguments ...string) *twin {
	t.Helper()
	n := &twin{log: filepath.Join(t.TempDir(), name+".log")}
	log, err := os.Create(n.log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	n.command = exec.CommandContext(t.Context(), binary, append([]string{"node", "--verbose", "--rate=200"}, arguments...)...)
	n.command.Stdout, n.command.Stderr = &n.stdout, log
	if err := n.command.Start(); err != nil {
		t.Fatal(err)
	}
	return n
}

// says returns what the member has said so far.
func (n *twin) says() string {
	text, _ := os.ReadFile(n.log)
	return string(text)
}

// await waits until the member has said something so often.
func (n *twin) await(t *testing.T, text string, times int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), stuckAfter)
	defer cancel()
	for strings.Count(n.says(), text) < times {
		select {
		case <-time.After(dialEvery):
		case <-ctx.Done():
			t.Fatalf("it never says %q:\n%s", text, n.says())
		}
	}
}

// end waits for the member's end and returns its status.
func (n *twin) end() int {
	_ = n.command.Wait()
	return n.command.ProcessState.ExitCode()
}

// TestSecondProcessOfAMemberIsNamedOnBothSides starts a second process at the
// place of a member that runs, elsewhere: once without its data, once with a copy
// of its folder. Nobody takes it for the member, and all are told what to do.
func TestSecondProcessOfAMemberIsNamedOnBothSides(t *testing.T) {
	program.OnlyAmongAll(t)
	binary := program.Build(t)
	for _, copied := range []bool{false, true} {
		t.Run(map[bool]string{false: "without data", true: "with a copy"}[copied], func(t *testing.T) {
			t.Parallel()
			ports, folder := program.Ports(t, 4), t.TempDir()
			flags := func(i int, data string) []string {
				return []string{
					fmt.Sprintf("--port=%d", ports[i]), "--peer-config-file=" + filepath.Join(folder, "peers.json"),
					"--data-dir=" + filepath.Join(folder, data),
				}
			}
			list := fmt.Sprintf(`["127.0.0.1:%d", "127.0.0.1:%d", "127.0.0.1:%d"]`, ports[0], ports[1], ports[2])
			if err := os.WriteFile(filepath.Join(folder, "peers.json"), []byte(list), 0o600); err != nil {
				t.Fatal(err)
			}
			run := func(more ...string) (nodes []*twin) {
				for i, name := range []string{"a", "b", "c"} {
					nodes = append(nodes, startTwin(t, binary, name, append(flags(i, name), more...)...))
				}
				for _, n := range nodes {
					n.await(t, "link up", 2)
				}
				return nodes
			}
			for _, n := range run("--send-for=1h") {
				_ = n.command.Process.Kill() // its stream goes on in the next life
				n.end()
			}
			if copied {
				if err := os.CopyFS(filepath.Join(folder, "second"), os.DirFS(filepath.Join(folder, "a"))); err != nil {
					t.Fatal(err)
				}
			}
			nodes := run("--send-for=6", "--wait-for=30") // complete, they end at once
			second := startTwin(t, binary, "second", append(flags(0, "second"),
				"--listen="+net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[3])), "--send-for=1h", "--wait-for=3")...)
			const advice = "runs already, as a process that dials from 127.0.0.1:"
			second.await(t, advice, 2)
			nodes[0].await(t, "refuses another process that calls itself as this member does: stop one of them", 1)
			for _, other := range nodes[1:] {
				other.await(t, advice, 1)
			}
			_ = second.command.Process.Signal(os.Interrupt)
			for i, n := range nodes {
				if status := n.end(); status != 0 || n.stdout.String() != nodes[0].stdout.String() {
					t.Errorf("member %d: status %d, %q, the first one %q\n%s", i, status, n.stdout.String(), nodes[0].stdout.String(), n.says())
				}
			}
			if status := second.end(); status != 2 || !strings.Contains(second.says(), "the link is refused: member") {
				t.Errorf("the second process: status %d, %q\n%s", status, second.stdout.String(), second.says())
			}
		})
	}
}
