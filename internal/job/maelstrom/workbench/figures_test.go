package workbench_test

import (
	"fmt"
	"os"
	"testing"

	"chatterbox/internal/job/maelstrom/workbench"
)

// figuresVariable names the environment variable that asks for the table of
// docs/maelstrom.md.
const figuresVariable = "CHATTERBOX_MAELSTROM_FULL"

// TestFigures runs what Gossip Glomers 3d and 3e ask for in virtual time, well
// and with failures, and prints what it costs.
func TestFigures(t *testing.T) {
	if os.Getenv(figuresVariable) == "" {
		t.Skip("takes a minute: set " + figuresVariable + "=1")
	}
	const eight = "n1,n2,n3,n4,n5,n6,n7,n8 <-> * except n1,n2,n3,n4,n5,n6,n7,n8 cut\n"
	for _, story := range []struct {
		name, text  string
		exponential bool
		copies      int // more than 0: and strict
	}{
		{name: "no failures"},
		{name: "latencies drawn, 100 ms on average", exponential: true},
		{name: "8 of 25 nodes cut off from 5 s to 13 s", text: "5s " + eight + "13s * <-> * heal"},
		{name: "8 of 25 nodes cut off from 0 s to 8 s", text: "0s " + eight + "8s * <-> * heal"},
		{name: "each hears 12 others only, from 3 s to 12 s", text: ring(25, 13)},
		{name: "10 % of the messages lost", text: "0s * -> * drop 10%"},
		{name: "two nodes killed at 5 s, back at 9 s", text: "5s n3,n4 crash\n9s n3,n4 restart", copies: 3},
		{name: "two nodes killed at 0 s, back at 4 s", text: "0s n3,n4 crash\n4s n3,n4 restart", copies: 3},
	} {
		for _, frugal := range []bool{false, true} {
			cfg := glomers(1)
			cfg.Map, cfg.Exponential, cfg.Frugal = parse(t, story.text), story.exponential, frugal
			cfg.Copies, cfg.Strict = story.copies, story.copies > 0
			t.Log(tableRow(story.name, frugal, run(t, cfg)))
		}
	}
}

func tableRow(name string, frugal bool, r *workbench.Report) string {
	if frugal {
		name += ", `--frugal`"
	}
	return fmt.Sprintf("| %s | %.1f | %d, %d, %d | %d, %d, %d | %d, %d | %d of %d |", name, r.MessagesPerOperation,
		r.Stable.P50.Milliseconds(), r.Stable.P95.Milliseconds(), r.Stable.Max.Milliseconds(),
		r.Everywhere.P50.Milliseconds(), r.Everywhere.P95.Milliseconds(), r.Everywhere.Max.Milliseconds(),
		r.Answers.P50.Milliseconds(), r.Answers.Max.Milliseconds(), r.Acknowledged, r.Writes)
}
