// Command peers gives the same work to other systems as to chatterbox: n
// members all write entries of 8 bytes, and all take in all entries in one
// order. It prints one table.
//
// There is a file for each system: [openRedis], [openNATS], [openRaft]. Each
// member is a process, as in package bench, which also measures chatterbox and
// limit beside them; a [writer] is the application in it. Systems are fed one
// by one (an entry a message, many messages on their way) and packed (1,024
// entries a message).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"chatterbox/internal/job/bench"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// memberArgument makes this program a member of a measurement.
const memberArgument = "member"

func run(arguments []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if len(arguments) == 1 && arguments[0] == memberArgument {
		others := map[bench.Mode]bench.Measure{}
		for _, c := range cases() {
			if c.measure != nil {
				others[c.mode] = c.measure
			}
		}
		return bench.Member(ctx, os.Stdin, os.Stdout, others)
	}
	var plan bench.Plan
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.IntVar(&plan.Members, "members", 3, "members, a process each")
	flags.DurationVar(&plan.Duration, "duration", 3*time.Second, "of each measurement")
	flags.IntVar(&plan.Rounds, "rounds", 3, "of which medians are printed")
	only := flags.String("only", "", "the one system to measure besides limit, such as raft")
	if err := flags.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if plan.Rounds < 1 {
		return fmt.Errorf("-rounds %d: at least 1", plan.Rounds)
	}
	executable, err := os.Executable()
	if err != nil {
		return err
	}
	survey := survey{plan: plan, command: []string{executable, memberArgument}, cases: chosen(*only)}
	if err := survey.run(ctx); err != nil {
		return err
	}
	survey.print(os.Stdout)
	return nil
}

// entry is a case: a system that is fed in a certain way.
type entry struct {
	system  string
	name    string
	mode    bench.Mode
	measure bench.Measure // nil for what package bench measures itself
	paced   bool          // its latency is measured too
}

const packed = 1024 // entries a message

func cases() []entry {
	oneByOne := tuning{entries: 1, burst: 256, window: 16 << 10, publishers: 2}
	large := tuning{entries: packed, burst: 4, window: 128, publishers: 2}
	redisLarge := tuning{entries: packed, burst: 16, window: 256, publishers: 2}
	raftLarge := tuning{entries: packed, burst: 16, window: 256, publishers: 1}
	return []entry{
		{"", "raw write, readers discard", bench.Raw, nil, false},
		{"", "limit (decode, no protocol)", bench.Limit, nil, false},
		{"chatterbox", "chatterbox delta", bench.Ordered, nil, true},
		{"redis", "Redis stream, packed (one copy, one sequencer)", "redis-packed", measure(openRedis, redisLarge), false},
		{"raft", "etcd raft library, packed", "raft-packed", measure(openRaft, raftLarge), false},
		{"nats", "NATS JetStream R3, packed", "nats-packed", measure(openNATS, large), false},
		{"raft", "etcd raft library, one by one", "raft", measure(openRaft, oneByOne), true},
		{"redis", "Redis stream, one by one", "redis", measure(openRedis, oneByOne), true},
		{"nats", "NATS JetStream R3, one by one", "nats", measure(openNATS, tuning{entries: 1, burst: 64, window: 4 << 10, publishers: 1}), true},
		{"", "raw TCP round trip", bench.Ping, nil, true},
	}
}

// chosen returns the cases of a system, and those that belong to none.
func chosen(system string) []entry {
	var some []entry
	for _, c := range cases() {
		if system == "" || c.system == "" || c.system == system {
			some = append(some, c)
		}
	}
	return some
}
