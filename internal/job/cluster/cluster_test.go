package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"chatterbox/internal/core/member"
	"chatterbox/internal/job"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/world/transport"
)

// TestMain makes this test binary the program that a cluster runs: a member
// that does what the last argument says instead of its job.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "node" {
		os.Exit(actor(os.Args[2:]))
	}
	goleak.VerifyTestMain(m)
}

// actor plays a member.
func actor(arguments []string) int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	reports := os.NewFile(ReportFD, "reports")
	_ = json.NewEncoder(reports).Encode(job.Progress{Phase: job.PhaseSend, Own: 7})
	folder := filepath.Dir(argument(arguments, "--peer-config-file="))
	reborn := strings.HasSuffix(argument(arguments, "--trace="), "-1")
	switch play := arguments[len(arguments)-1]; {
	case play == "agree", play == "restart" && reborn:
		fmt.Println(`{"count":5,"score":"1.5","exact":"1.5","complete":true,"missing":[],"digest":"00"}`)
		return 0
	case play == "watched":
		return playWatched(arguments)
	case play == "interrupt":
		<-signals
		fmt.Println(`{"count":5,"score":"1.5","exact":"1.5","complete":false,"missing":["b"],"digest":"00"}`)
		return 2
	case play == "fail":
		fmt.Fprintln(os.Stderr, "no luck")
		return 3
	case play == "taken" && calls(filepath.Join(folder, "taken")) == 1:
		fmt.Fprintln(os.Stderr, transport.PortInUse)
		return 3
	case play == "taken":
		fmt.Println(`{"count":5,"score":"1.5","exact":"1.5","complete":true,"missing":[],"digest":"00"}`)
		return 0
	}
	select {} // until it is killed
}

func argument(arguments []string, name string) string {
	for _, a := range arguments {
		if value, ok := strings.CutPrefix(a, name); ok {
			return value
		}
	}
	panic("no " + name)
}

// calls counts the calls with a path, over all processes.
func calls(path string) int {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err == nil {
		_, err = file.WriteString("x")
	}
	data, err2 := os.ReadFile(path)
	if err != nil || err2 != nil {
		panic(fmt.Sprint(err, err2))
	}
	return len(data)
}

// play returns a cluster of two whose members all play the same.
func play(t *testing.T, what string, events string) Config {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	config := Config{
		Executable: executable, Arguments: []string{what}, Members: 2,
		RunFor: time.Minute,
		Folder: t.TempDir(), Trace: new(bytes.Buffer),
		Header: trace.Header{Members: []string{"a", "b"}},
	}
	if events != "" {
		parsed, err := failure.Parse(strings.NewReader(events), "events")
		if err == nil {
			config.Schedule, err = parsed.Bind(Names(2))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return config
}

func run(t *testing.T, config Config) *Report {
	t.Helper()
	report, err := Run(t.Context(), t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestMembersRunToTheirTuples(t *testing.T) {
	config := play(t, "agree", "")
	progress, lines := 0, 0
	config.Progress = func(_ member.ID, p job.Progress) { progress += int(p.Own) }
	config.Line = func(member.ID, string) { lines++ }
	report := run(t, config)
	if report.Verdict() != Agree || !report.Same() || report.Agreed() != 5 || report.Rate() <= 0 {
		t.Errorf("%v: %s", report.Verdict(), report.Describe())
	}
	if progress != 14 || lines != 0 {
		t.Errorf("progress %d, lines %d", progress, lines)
	}
	for _, m := range report.Members {
		if m.Printed <= 0 || m.Ended < m.Printed {
			t.Errorf("%s printed after %v and ended after %v", m.Name, m.Printed, m.Ended)
		}
	}
}

func TestTakenPortStartsTheClusterOnOthers(t *testing.T) {
	report := run(t, play(t, "taken", ""))
	if report.Verdict() != Agree {
		t.Errorf("%v: %s", report.Verdict(), report.Describe())
	}
}

func TestCrashedMemberRestarts(t *testing.T) {
	report := run(t, play(t, "restart", "50ms * crash\n100ms * restart"))
	if report.Verdict() != Agree {
		t.Errorf("%v: %+v", report.Verdict(), report.Members)
	}
}

func TestCrashedMemberIsNoFailure(t *testing.T) {
	report := run(t, play(t, "hang", "50ms * crash"))
	for _, m := range report.Members {
		if m.verdict() != Partial || m.Fate() != "crashed" || m.Exit != exitSignal+int(syscall.SIGKILL) {
			t.Errorf("%s: %v, %s, exit %d", m.Name, m.verdict(), m.Fate(), m.Exit)
		}
	}
}

func TestAbsentMemberIsNeverStarted(t *testing.T) {
	report := run(t, play(t, "agree", "0s b crash"))
	if b := report.Members[1]; b.Exit != exitNever || b.Outcome != nil || report.Verdict() != Partial {
		t.Errorf("%v: %+v", report.Verdict(), b)
	}
}

func TestFailedMemberIsAFailureWithItsWords(t *testing.T) {
	report := run(t, play(t, "fail", ""))
	if m := report.Members[0]; report.Verdict() != Failed || m.Exit != 3 || !slices.Equal(m.Errors, []string{"no luck"}) {
		t.Errorf("%v: %+v", report.Verdict(), m)
	}
}

func TestInterruptIsPassedOnEvenToPausedMembers(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var c *crew
	heard := 0
	config := play(t, "interrupt", "").withDefaults()
	config.Epoch = time.Now()
	config.Progress = func(member.ID, job.Progress) {
		if heard++; heard == 2 { // both handle signals now
			if err := c.do(failure.MemberEvent{Member: 1, Action: failure.Pause}); err != nil {
				t.Error(err)
			}
			cancel()
		}
	}
	c = newCrew(config, Names(2), filepath.Join(config.Folder, "peers.json"))
	report, err := c.run(ctx, t.Context())
	if err != nil || report.Verdict() != Partial || report.Agreed() != 5 {
		t.Fatalf("%+v, error %v", report, err)
	}
}

func TestSecondInterruptKills(t *testing.T) {
	config := play(t, "hang", "")
	kill, cancel := context.WithCancel(t.Context())
	config.Progress = func(member.ID, job.Progress) { cancel() }
	if report, err := Run(t.Context(), kill, config); err == nil {
		t.Fatalf("no error: %+v", report)
	}
}

func TestMissingProgramIsAnError(t *testing.T) {
	config := play(t, "agree", "")
	config.Executable = filepath.Join(t.TempDir(), "nothing")
	if _, err := Run(t.Context(), t.Context(), config); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Fatalf("error %v", err)
	}
}

func TestTooMuchOutputIsCutOff(t *testing.T) {
	var b limitedBuffer
	part := make([]byte, outputBytesMax/2+1)
	for range 3 {
		if n, err := io.Copy(struct{ io.Writer }{&b}, strings.NewReader(string(part))); err != nil || n != int64(len(part)) {
			t.Fatalf("%d, %v", n, err)
		}
	}
	if b.kept.Len() != outputBytesMax {
		t.Errorf("kept %d bytes", b.kept.Len())
	}
}
