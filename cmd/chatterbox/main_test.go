package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/rogpeppe/go-internal/testscript"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/check"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/proof/workload"
	"chatterbox/test/program"
)

// TestMain makes this test binary the program itself when a script runs
// chatterbox, and also when the program starts itself for its members.
func TestMain(m *testing.M) {
	testscript.Main(patient{m}, map[string]func(){"chatterbox": main})
}

// patient runs more tests at once than there are processors: most of the time they
// wait.
type patient struct{ m *testing.M }

// Run runs the tests.
func (p patient) Run() int {
	flag.Parse()
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	return p.m.Run()
}

// TestScripts runs what users type, with real processes; each file of testdata
// is one story.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition:           scriptCondition,
		Setup:               withSource(t),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": scriptStatus,
			"ports":  scriptPorts,
			"listen": scriptListen,
			"await":  scriptAwait,
			"until":  scriptUntil,
			"json":   scriptJSON,
			"judge":  scriptJudge,
			"utf16":  scriptUTF16,
		},
	})
}

// withSource lets the program of a script build one with a mutant, as in the
// folder of the source.
func withSource(t *testing.T) func(*testscript.Env) error {
	t.Helper()
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	return func(env *testscript.Env) error {
		env.Setenv(sourceVariable, root)
		for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOFLAGS"} {
			value, err := exec.Command("go", "env", name).Output()
			if err != nil {
				return err
			}
			env.Setenv(name, strings.TrimSpace(string(value)))
		}
		return nil
	}
}

// scriptCondition knows tmpfs: file systems may be mounted in a namespace; and all: what
// takes long is wanted too.
func scriptCondition(name string) (bool, error) {
	switch name {
	case "all":
		return program.All(), nil
	case "tmpfs":
	default:
		return false, fmt.Errorf("no condition %q", name)
	}
	return exec.Command("unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "-o", "size=16k", "none", "/mnt").Run() == nil, nil
}

// scriptStatus runs a program and demands its exit status: status N program
// [args...]. What it printed can be looked at as after exec.
func scriptStatus(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	var exit *exec.ExitError
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// scriptPorts finds ports for the script alone and names them: ports A B C sets
// $A, $B, $C.
func scriptPorts(ts *testscript.TestScript, _ bool, names []string) {
	ports, free, err := program.KeepPorts(len(names))
	ts.Check(err)
	ts.Defer(free)
	for i, name := range names {
		ts.Setenv(name, strconv.Itoa(ports[i]))
	}
}

// scriptListen keeps a port taken to the end of the script: listen A sets $A.
func scriptListen(ts *testscript.TestScript, _ bool, names []string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = listener.Close() })
	ts.Setenv(names[0], strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
}

const (
	// awaitMax is how long something may take that comes in any case.
	awaitMax = time.Minute
	// lookEvery is how long nobody looks whether it has come: who looks all the
	// time takes the processor from those who are waited for.
	lookEvery = 20 * time.Millisecond
)

// scriptAwait waits until somebody listens on each of the ports.
func scriptAwait(ts *testscript.TestScript, _ bool, ports []string) {
	deadline := time.Now().Add(awaitMax)
	for _, port := range ports {
		for {
			conn, err := net.Dial("tcp", "127.0.0.1:"+port)
			if err == nil {
				_ = conn.Close()
				break
			}
			if time.Now().After(deadline) {
				ts.Fatalf("nobody listens on %s: %v", port, err)
			}
			<-time.After(lookEvery)
		}
	}
}

// scriptUntil runs a line of a shell again and again until it ends well: until
// 'chatterbox status --http ADDR | grep ready'.
func scriptUntil(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(awaitMax); ts.Exec("sh", "-c", args[0]) != nil; <-time.After(lookEvery) {
		if time.Now().After(deadline) {
			ts.Fatalf("it never came to this: %s", args[0])
		}
	}
}

// scriptJSON demands values of a JSON object in a file: json FILE path=value...
// A path is keys and indices with points between; a value is JSON, and * is
// anything that is there.
func scriptJSON(ts *testscript.TestScript, _ bool, args []string) {
	var object any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &object))
	for _, demand := range args[1:] {
		path, want, _ := strings.Cut(demand, "=")
		value, err := dig(object, strings.Split(path, "."))
		ts.Check(err)
		got, err := json.Marshal(value)
		ts.Check(err)
		if want != "*" && string(got) != want {
			ts.Fatalf("%s is %s, want %s", path, got, want)
		}
	}
}

func dig(value any, path []string) (any, error) {
	for _, key := range path {
		switch inner := value.(type) {
		case map[string]any:
			if _, ok := inner[key]; !ok {
				return nil, fmt.Errorf("no %q in %v", key, inner)
			}
			value = inner[key]
		case []any:
			index, err := strconv.Atoi(key)
			if err != nil || index >= len(inner) {
				return nil, fmt.Errorf("no element %q of %d", key, len(inner))
			}
			value = inner[index]
		default:
			return nil, fmt.Errorf("%q asked of %v", key, value)
		}
	}
	return value, nil
}

// scriptJudge reads a trace and demands that none of the named checks is
// violated, and that it has events of some kinds: judge FILE kind...
func scriptJudge(ts *testscript.TestScript, _ bool, args []string) {
	file, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer file.Close() //nolint:errcheck // only read
	reader, err := trace.NewReader(file)
	ts.Check(err)
	judge := check.New(reader.Header(), numbersOf(reader.Header()))
	seen := map[string]bool{}
	var event trace.Event
	for err = reader.Next(&event); err == nil; err = reader.Next(&event) {
		seen[event.Kind.String()] = true
		judge.Tell(&event)
	}
	if !errors.Is(err, io.EOF) {
		ts.Fatalf("%v", err)
	}
	for _, violation := range judge.Violations() {
		ts.Fatalf("%v", violation)
	}
	for _, kind := range args[1:] {
		if !seen[kind] {
			ts.Fatalf("the trace has no event of kind %q", kind)
		}
	}
}

// scriptUTF16 writes a file as some editors on Windows do: utf16 FROM TO.
func scriptUTF16(ts *testscript.TestScript, _ bool, args []string) {
	text := []byte("\xff\xfe")
	for _, unit := range utf16.Encode([]rune(ts.ReadFile(args[0]))) {
		text = binary.LittleEndian.AppendUint16(text, unit)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), text, 0o600))
}

// numbersOf draws the numbers of a run again.
func numbersOf(header trace.Header) check.Numbers {
	drawn := make([][]uint64, len(header.Members))
	streams := make([]*workload.Numbers, len(header.Members))
	for i := range streams {
		streams[i] = workload.NewNumbers(header.Seed, i)
	}
	return func(origin member.ID, seq uint64) uint64 {
		for uint64(len(drawn[origin])) < seq {
			drawn[origin] = append(drawn[origin], streams[origin].Next())
		}
		return drawn[origin][seq-1]
	}
}
