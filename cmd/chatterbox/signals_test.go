package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"chatterbox/test/program"
)

// run is a chatterbox process, and what it has written.
type run struct {
	*exec.Cmd
	folder         string // for temporary files
	stdout, stderr bytes.Buffer
}

// start starts the program in a folder with an own one for temporary files.
func start(t *testing.T, folder string, args ...string) *run {
	t.Helper()
	r := &run{Cmd: exec.Command("chatterbox", args...), folder: t.TempDir()}
	r.Dir, r.Stdout, r.Stderr = folder, &r.stdout, &r.stderr
	r.Env = append(os.Environ(), "TMPDIR="+r.folder)
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Process.Kill() })
	return r
}

// await waits until something is so, which it never is if the test fails.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(awaitMax); !so(); <-time.After(lookEvery) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came to this: %s", what)
		}
	}
}

// hasContent reports whether something was written to a file.
func hasContent(path string) func() bool {
	return func() bool {
		info, err := os.Stat(path)
		return err == nil && info.Size() > 0
	}
}

// runsMembers reports whether a cluster has started its processes.
func (r *run) runsMembers(count int) func() bool {
	return func() bool {
		own := commandLine(strconv.Itoa(r.Process.Pid))
		forked := func(pid string) bool { return commandLine(pid) == own }
		members := r.children()
		return len(members) == count && !slices.ContainsFunc(members, forked)
	}
}

// commandLine returns what a process was started with. Between fork and exec
// that is still what its parent was: who is stopped there stops the parent too.
func commandLine(pid string) string {
	data, _ := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
	return string(data)
}

// children lists the processes that the program has started.
func (r *run) children() []string {
	threads, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(r.Process.Pid), "task", "*", "children"))
	var all []string
	for _, thread := range threads {
		if data, err := os.ReadFile(thread); err == nil {
			all = append(all, strings.Fields(string(data))...)
		}
	}
	return all
}

// ended waits for the end, demands its status (or 128 and the signal that
// ended it), and that nothing is left behind.
func (r *run) ended(t *testing.T, status int, members ...string) {
	t.Helper()
	r.endedOneOf(t, members, status)
}

// endedOneOf is ended for what depends on how far members were.
func (r *run) endedOneOf(t *testing.T, members []string, statuses ...int) {
	t.Helper()
	_ = r.Wait()
	got := r.ProcessState.ExitCode()
	if wait, ok := r.ProcessState.Sys().(syscall.WaitStatus); ok && wait.Signaled() {
		got = 128 + int(wait.Signal())
	}
	if !slices.Contains(statuses, got) {
		t.Errorf("exit status %d, want one of %v; stdout:\n%s\nstderr:\n%s", got, statuses, &r.stdout, &r.stderr)
	}
	left, err := os.ReadDir(r.folder)
	if err != nil || len(left) > 0 {
		t.Errorf("in the folder for temporary files is left %v, error %v", left, err)
	}
	for _, pid := range members {
		await(t, "process "+pid+" has ended", func() bool {
			_, err := os.Stat("/proc/" + pid)
			return err != nil
		})
	}
}

// says demands a text on stdout or stderr.
func says(t *testing.T, text *bytes.Buffer, want string) {
	t.Helper()
	if !strings.Contains(text.String(), want) {
		t.Errorf("no %q in:\n%s", want, text)
	}
}

// stops are the signals that end a program in good order. Who started the
// tests with nohup wants no program to end by SIGHUP.
func stops() []os.Signal {
	if signal.Ignored(syscall.SIGHUP) {
		return []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	}
	return []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}
}

// TestSignalEndsASingleSimulation in the middle of the run, which would take
// minutes. Its trace is then incomplete.
func TestSignalEndsASingleSimulation(t *testing.T) {
	for _, signal := range stops() {
		folder := t.TempDir()
		trace := filepath.Join(folder, "run.jsonl")
		r := start(t, folder, "sim", "--nodes", "100", "--send-for", "1h", "--trace", trace)
		await(t, "the run has begun", hasContent(trace))
		_ = r.Process.Signal(signal)
		r.ended(t, 3)
		says(t, &r.stderr, "chatterbox: interrupted\n")
		says(t, &r.stdout, "0 runs in")
		check := start(t, folder, "check", trace)
		check.ended(t, 2)
		says(t, &check.stdout, "incomplete: ")
	}
}

// TestSignalEndsWhoseOutputNobodyTakes: the program waits in a write.
func TestSignalEndsWhoseOutputNobodyTakes(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close() //nolint:errcheck // nothing is read
	r := &run{Cmd: exec.Command("chatterbox", "sim", "--send-for", "1h", "--trace", "-"), folder: t.TempDir()}
	r.Stdout, r.Stderr = write, &r.stderr
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	_ = write.Close() // the program has its own
	t.Cleanup(func() { _ = r.Process.Kill() })
	if _, err := read.Read(make([]byte, 1<<10)); err != nil { // the pipe is full soon after that
		t.Fatal(err)
	}
	_ = r.Process.Signal(syscall.SIGTERM)
	r.ended(t, 3)
	says(t, &r.stderr, "chatterbox: interrupted")
}

// TestSignalEndsManySimulations, with what is known of them so far.
func TestSignalEndsManySimulations(t *testing.T) {
	for _, signal := range stops() {
		folder := t.TempDir()
		save := filepath.Join(folder, "case.txt")
		r := start(t, folder, "sim", "--seeds", "1000000000", "--send-for", "200ms", "--wait-for", "200ms", "--json", "--save", save)
		await(t, "the runs have begun", func() bool { _, err := os.Stat(save); return err == nil })
		_ = r.Process.Signal(signal)
		r.ended(t, 3)
		says(t, &r.stderr, "chatterbox: interrupted\n")
		says(t, &r.stdout, `"violations":0`)
	}
}

// TestSignalEndsAMember, which prints what it has, and does not wait for the
// end of a long grace phase when others are missing.
func TestSignalEndsAMember(t *testing.T) {
	for _, signal := range stops() {
		var ports []string
		for _, port := range program.Ports(t, 2) {
			ports = append(ports, strconv.Itoa(port))
		}
		folder := t.TempDir()
		peers := fmt.Sprintf(`["127.0.0.1:%s","127.0.0.1:%s"]`, ports[0], ports[1])
		if err := os.WriteFile(filepath.Join(folder, "peers.json"), []byte(peers), 0o600); err != nil {
			t.Fatal(err)
		}
		r := start(t, folder, "node", "--port", ports[0], "--send-for", "1h", "--wait-for", "1h", "--rate", "1000")
		await(t, "the member listens", func() bool {
			conn, err := net.Dial("tcp", "127.0.0.1:"+ports[0])
			if err == nil {
				_ = conn.Close()
			}
			return err == nil
		})
		_ = r.Process.Signal(signal)
		r.ended(t, 2)
		says(t, &r.stdout, "(")
		says(t, &r.stderr, ports[1]+": was never heard of")
		says(t, &r.stderr, "chatterbox: interrupted\n")
	}
}

// TestSignalEndsACluster: members print what they have, and go.
func TestSignalEndsACluster(t *testing.T) {
	for _, signal := range stops() {
		r := start(t, t.TempDir(), "cluster", "--nodes", "3", "--send-for", "1h", "--wait-for", "1h", "--rate", "100")
		await(t, "all members run", r.runsMembers(3))
		members := r.children()
		_ = r.Process.Signal(signal)
		r.endedOneOf(t, members, 0, 2, 3)
		says(t, &r.stderr, "chatterbox: interrupted\n")
		says(t, &r.stdout, "member  tuple")
	}
}

// awaitData waits until members have locked their folders for data: from then on
// they catch signals.
func (r *run) awaitData(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		lock := filepath.Join(r.Dir, "data", name, "lock")
		await(t, name+" runs", func() bool { _, err := os.Stat(lock); return err == nil })
	}
}

// TestMembersThatStandStillDoNotKeepAClusterFromEnding.
func TestMembersThatStandStillDoNotKeepAClusterFromEnding(t *testing.T) {
	for _, second := range []bool{false, true} {
		folder := t.TempDir()
		r := start(t, folder, "cluster", "--nodes", "3", "--send-for", "1h", "--wait-for", "1h", "--rate", "100", "--data-dir", "data")
		r.awaitData(t, "a", "b", "c")
		members := r.children()
		for _, pid := range members {
			_ = syscall.Kill(number(t, pid), syscall.SIGSTOP)
		}
		_ = r.Process.Signal(syscall.SIGINT)
		if second {
			_ = r.Process.Signal(syscall.SIGTERM)
			r.endedOneOf(t, members, 128+int(syscall.SIGINT), 128+int(syscall.SIGTERM)) // they may come in any order
			continue
		}
		r.endedOneOf(t, members, 0, 2, 3)
		says(t, &r.stderr, "chatterbox: interrupted\n")
	}
}

// TestSignalEndsAMeasurement and its processes.
func TestSignalEndsAMeasurement(t *testing.T) {
	for _, signal := range stops() {
		r := start(t, t.TempDir(), "bench", "--nodes", "2", "--duration", "1h")
		await(t, "all members run", r.runsMembers(2))
		members := r.children()
		_ = r.Process.Signal(signal)
		r.ended(t, 3, members...)
		says(t, &r.stderr, "chatterbox: interrupted\n")
		says(t, &r.stderr, "there is no result")
	}
}

// TestSignalEndsWhoWaitsForStdin.
func TestSignalEndsWhoWaitsForStdin(t *testing.T) {
	for _, signal := range stops() {
		r, feed := startFed(t, "check", "-")
		// More than a pipe holds: whoever has taken it is reading.
		if _, err := feed.WriteString(`{"trace":2,"members":["a"],"protocol":"delta","seed":"1"}` + strings.Repeat("\n", 256<<10)); err != nil {
			t.Fatal(err)
		}
		_ = r.Process.Signal(signal)
		r.ended(t, 3)
		says(t, &r.stderr, "chatterbox: there is no verdict after 0 events\nchatterbox: interrupted\n")

		r, feed = startFed(t, "maelstrom")
		if _, err := feed.WriteString(strings.Repeat("\n", 256<<10)); err != nil {
			t.Fatal(err)
		}
		_ = r.Process.Signal(signal)
		r.ended(t, 3)
		says(t, &r.stderr, "chatterbox: interrupted\n")
	}
}

// startFed starts the program with a pipe as stdin that stays open.
func startFed(t *testing.T, args ...string) (*run, *os.File) {
	t.Helper()
	r := &run{Cmd: exec.Command("chatterbox", args...), folder: t.TempDir()}
	r.Stdout, r.Stderr = &r.stdout, &r.stderr
	stdin, feed, err := os.Pipe()
	if err == nil {
		r.Stdin = stdin
		err = r.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = stdin.Close() // the program has its own
	t.Cleanup(func() { _, _ = r.Process.Kill(), feed.Close() })
	return r, feed
}

// number reads a process's number.
func number(t *testing.T, pid string) int {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestCrashIsNotPartial: the runtime's own status for it is 2.
func TestCrashIsNotPartial(t *testing.T) {
	folder := t.TempDir()
	trace := filepath.Join(folder, "run.jsonl")
	r := start(t, folder, "sim", "--nodes", "100", "--send-for", "1h", "--trace", trace)
	await(t, "the run has begun", hasContent(trace))
	_ = r.Process.Signal(syscall.SIGQUIT)
	r.ended(t, 128+int(syscall.SIGABRT))

	c := start(t, folder, "cluster", "--nodes", "2", "--send-for", "1h", "--rate", "100", "--data-dir", "data")
	c.awaitData(t, "a", "b")
	members := c.children()
	_ = syscall.Kill(number(t, members[0]), syscall.SIGABRT)
	await(t, "the member is gone", func() bool { return len(c.children()) == 1 })
	_ = c.Process.Signal(syscall.SIGINT)
	c.ended(t, 3, members...)
	says(t, &c.stdout, "killed by signal")
}
