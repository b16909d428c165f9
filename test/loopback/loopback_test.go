// Package loopback_test runs clusters of real processes on loopback, as
// somebody does who has nothing but Go and this program.
package loopback_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
	"chatterbox/test/program"
	"chatterbox/test/prospect"
)

const (
	members = 5
	sendFor = 3 * time.Second
	waitFor = 5 * time.Second
	// clustersAtOnce bounds how many clusters run side by side.
	clustersAtOnce = 4
	// quickMaps: one in so many of the shipped maps is run where CI does not want
	// all of them.
	quickMaps = 5
	// stuckAfter ends a cluster that does not end by itself.
	stuckAfter = sendFor + 2*waitFor + 10*time.Second
)

// TestMain lets more clusters run at once than there are processors: most of
// the time they wait.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(clustersAtOnce)); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// verdict is what `chatterbox cluster --json` prints, as far as it is fixed.
type verdict struct {
	Nodes []struct {
		Name     string `json:"name"`
		Count    int    `json:"count"`
		Score    string `json:"score"`
		Complete bool   `json:"complete"`
		Exit     int    `json:"exit"`
	} `json:"nodes"`
	Agree bool `json:"agree"`

	status int    // of the command
	talk   string // what it wrote to stderr
}

// cluster runs `chatterbox cluster --json` with more arguments.
func cluster(t *testing.T, binary string, arguments ...string) verdict {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), stuckAfter)
	defer cancel()
	command := exec.CommandContext(ctx, binary, append([]string{"cluster", "--json"}, arguments...)...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	stdout, err := command.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	v := verdict{status: command.ProcessState.ExitCode(), talk: stderr.String()}
	if err := json.Unmarshal(stdout, &v); err != nil || len(v.Nodes) != members {
		t.Fatalf("status %d, %v, printed %q; stderr:\n%s", v.status, err, stdout, v.talk)
	}
	return v
}

func phases(send, wait time.Duration, more ...string) []string {
	return append([]string{"--send-for=" + send.String(), "--wait-for=" + wait.String()}, more...)
}

// TestCleanRunsAgree runs one cluster after the other with nothing broken.
func TestCleanRunsAgree(t *testing.T) {
	binary := program.Build(t)
	runs := 2
	if program.All() {
		runs = 50
	}
	for run := range runs {
		v := cluster(t, binary, phases(200*time.Millisecond, waitFor)...)
		if v.status != 0 || !v.Agree {
			t.Fatalf("run %d of %d: %+v", run+1, runs, v)
		}
	}
}

func TestDeltaHoldsOnShippedMaps(t *testing.T) {
	binary := program.Build(t)
	for i, shipment := range failure.Shipped() {
		if i%quickMaps != 0 && !program.All() {
			continue
		}
		t.Run(shipment.Name, func(t *testing.T) {
			t.Parallel()
			v := cluster(t, binary, broken(t, shipment, "--rate=10000")...)
			future := prospects(t, shipment)
			if v.Agree != future.Whole() || v.status != expected(shipment) {
				t.Errorf("agree is %t, status %d, want %t, %d; stderr:\n%s", v.Agree, v.status, future.Whole(), expected(shipment), v.talk)
			}
			for i, node := range v.Nodes {
				if !future.Lives(member.ID(i)) {
					continue
				}
				other := v.Nodes[future.First(member.ID(i))]
				if node.Count == 0 || node.Score != other.Score || node.Count != other.Count {
					t.Errorf("%+v, but %+v", node, other)
				}
				if node.Complete != shipment.Complete || node.Exit != expected(shipment) {
					t.Errorf("%+v, want complete %t and status %d", node, shipment.Complete, expected(shipment))
				}
			}
		})
	}
}

func TestLockstepHoldsOnShippedMaps(t *testing.T) {
	program.OnlyAmongAll(t)
	binary := program.Build(t)
	for _, shipment := range failure.Shipped() {
		t.Run(shipment.Name, func(t *testing.T) {
			t.Parallel()
			v := cluster(t, binary, broken(t, shipment, "--protocol=lockstep", "--rate=1000")...)
			future := prospects(t, shipment)
			if (future.Meshed() || shipment.Durable) && (!v.Agree || v.status != 0) {
				t.Errorf("agree is %t, status %d; stderr:\n%s", v.Agree, v.status, v.talk)
			}
			for i, node := range v.Nodes {
				if !future.Lives(member.ID(i)) {
					continue
				}
				other := v.Nodes[future.First(member.ID(i))]
				// A batch is one entry, and at most one of each origin is in flight.
				if apart := node.Count - other.Count; node.Count == 0 || apart > members || apart < -members {
					t.Errorf("%+v, but %+v", node, other)
				}
			}
		})
	}
}

// broken returns the arguments for a run under a shipped map.
func broken(t *testing.T, shipment failure.Shipment, more ...string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "map.txt")
	if err := os.WriteFile(file, []byte(shipment.Text), 0o600); err != nil {
		t.Fatal(err)
	}
	if shipment.Durable {
		more = append(more, "--data-dir="+t.TempDir())
	}
	return phases(sendFor, waitFor, append(more, "--failure-map="+file)...)
}

func prospects(t *testing.T, shipment failure.Shipment) prospect.Prospect {
	t.Helper()
	list := make(member.List, members)
	for i := range list {
		list[i] = member.Member{Name: member.Letter(member.ID(i)), Host: "127.0.0.1", Port: i + 1}
	}
	schedule, err := shipment.Map().Bind(list)
	if err != nil {
		t.Fatal(err)
	}
	return prospect.Of(schedule, members)
}

// expected returns the exit status that a map must lead to.
func expected(shipment failure.Shipment) int {
	if shipment.Complete {
		return 0
	}
	return 2
}
