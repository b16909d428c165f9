// Command front compares what clients of a cluster get: entries that are
// written one by one and acknowledged one by one, over connections that stay
// open. Three members, a process each, keep them in memory only (etcd, which
// can not, writes to a folder and does not sync); all clients are in this
// process, on the same cores.
//
// Chatterbox is asked over HTTP, JetStream and etcd by their own clients. An
// acknowledgement of chatterbox says that the entry is accepted at a member and
// goes out; those of the others, that a majority has it. Hence it is also asked
// with until=settled: every member has it, at its place.
//
// Run it from the folder of its module: go run ./front
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "front:", err)
		os.Exit(1)
	}
}

const (
	members      = 3
	payloadBytes = 100
	patience     = 60 * time.Second // until a cluster takes entries in
)

// client writes one entry and returns when it is acknowledged.
type client func(ctx context.Context) error

// system is one that can be asked.
type system struct {
	name  string
	start func(ctx context.Context, group *crew) (dial func(ctx context.Context, member int) (client, error), err error)
}

func systems() []system {
	return []system{
		{"chatterbox, POST", startChatterbox("")},
		{"chatterbox, POST ?until=settled", startChatterbox("?until=settled")},
		{"NATS JetStream R3, publish", startNATS},
		{"etcd, put", startEtcd},
	}
}

func run(arguments []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if len(arguments) > 0 && arguments[0] == memberArgument {
		return member(ctx, arguments[1:])
	}
	flags := flag.NewFlagSet("front", flag.ContinueOnError)
	duration := flags.Duration("duration", 3*time.Second, "of each measurement")
	rounds := flags.Int("rounds", 3, "of which medians are printed")
	connections := flags.Int("connections", 64, "of clients, each with one entry on its way")
	if err := flags.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if *rounds < 1 || *connections < 1 || *duration <= 0 {
		return errors.New("-rounds and -connections: at least 1; -duration: longer than nothing")
	}
	found := map[string][]figures{}
	for round := range *rounds { // in turns, so that drift of the machine meets all alike
		for _, s := range systems() {
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, *rounds, s.name)
			f, err := measure(ctx, s, *connections, *duration)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			found[s.name] = append(found[s.name], f)
		}
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(table, "%d connections, entries of %d bytes\tentries/s\tp50\tp99\n", *connections, payloadBytes)
	for _, s := range systems() {
		_, _ = fmt.Fprintf(table, "%s\t%.0f\t%v\t%v\n", s.name, middle(found[s.name], func(f figures) float64 { return f.perSecond }),
			middle(found[s.name], func(f figures) time.Duration { return f.p50 }).Round(time.Microsecond),
			middle(found[s.name], func(f figures) time.Duration { return f.p99 }).Round(time.Microsecond))
	}
	return table.Flush()
}

// figures are those of one measurement.
type figures struct {
	perSecond float64
	p50, p99  time.Duration
}

func middle[T cmp.Ordered](all []figures, of func(figures) T) T {
	var values []T
	for _, f := range all {
		values = append(values, of(f))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// measure starts a cluster, asks it, and ends it.
func measure(ctx context.Context, s system, connections int, duration time.Duration) (figures, error) {
	group, err := newCrew()
	if err != nil {
		return figures{}, err
	}
	defer group.stop()
	dial, err := s.start(ctx, group)
	if err != nil {
		return figures{}, err
	}
	clients := make([]client, connections)
	for i := range clients {
		if clients[i], err = ready(ctx, dial, i%members); err != nil {
			return figures{}, fmt.Errorf("%w; the members said:\n%s", err, group.talk())
		}
	}
	took := make([][]time.Duration, connections)
	errs := make([]error, connections)
	begin := time.Now()
	var asking sync.WaitGroup
	for i, put := range clients {
		asking.Go(func() {
			for before := begin; before.Sub(begin) < duration; {
				if errs[i] = put(ctx); errs[i] != nil {
					return
				}
				now := time.Now()
				took[i] = append(took[i], now.Sub(before))
				before = now
			}
		})
	}
	asking.Wait()
	seconds := time.Since(begin).Seconds()
	all := slices.Sorted(slices.Values(slices.Concat(took...)))
	if err := errors.Join(errs...); err != nil || len(all) == 0 {
		return figures{}, fmt.Errorf("%d entries: %w", len(all), err)
	}
	return figures{perSecond: float64(len(all)) / seconds, p50: all[len(all)/2], p99: all[len(all)*99/100]}, nil
}

// ready dials a member until it acknowledges an entry: clusters need a while
// to meet or to elect.
func ready(ctx context.Context, dial func(ctx context.Context, member int) (client, error), member int) (client, error) {
	for end := time.Now().Add(patience); ; {
		put, err := dial(ctx, member)
		if err == nil {
			if err = put(ctx); err == nil {
				return put, nil
			}
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return nil, fmt.Errorf("member %d is not ready: %w", member, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
