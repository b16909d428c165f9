package main

import (
	"strings"
	"time"

	"chatterbox/cluster"
	"chatterbox/failure"
)

// demoCommand shows what this is about, without any file or flag.
type demoCommand struct {
	WithSeed seed `placeholder:"N" help:"Seed of all random numbers; drawn at random if not given."`
}

// demoMap is the failure map of the demo.
const demoMap = `
1500ms   a,b <-> c,d,e   cut
3500ms   a,b <-> c,d,e   heal
`

const (
	demoMembers = 5
	demoSendFor = 4500 * time.Millisecond
	demoWaitFor = 4 * time.Second
	// demoRate is entries a second and member: few enough that nobody has to
	// wait while the link is cut, so that one sees what is held rise on.
	demoRate      = 1_000_000
	demoMemoryMiB = 192
)

// Help says what there is to see.
func (demoCommand) Help() string {
	return `Five members, each a process of its own, broadcast random numbers over real sockets. After a while the link between a, b and c, d, e is cut: what is held goes on rising on both sides, but nothing settles, for the other side could have sent something earlier. When the link heals, all of it settles, and each member prints the same tuple: the number of entries, and the sum of i times the i-th number in the common order.`
}

// Run runs the demo.
func (c *demoCommand) Run(console *console) error {
	events, err := failure.Parse(strings.NewReader(demoMap), "demo")
	if err != nil {
		panic(err) // the map is ours
	}
	schedule, err := events.Bind(cluster.Names(demoMembers))
	if err != nil {
		panic(err)
	}
	flags := runFlags{WithSeed: c.WithSeed, Protocol: choice{Value: "delta"}}
	flags.SendFor.Duration, flags.WaitFor.Duration, flags.Tick.Duration = demoSendFor, demoWaitFor, 10*time.Millisecond
	flags.Rate.Value, flags.Memory.Value = demoRate, demoMemoryMiB
	console.notef("Five members broadcast; a,b lose c,d,e after 1.5 s and find them again after 3.5 s.")
	show := show{console: console, nodes: demoMembers, flags: &flags, events: events, schedule: schedule}
	report, err := show.run(flags.seed(console))
	if err != nil {
		return err
	}
	printReport(console, report, false)
	return reportStatus(report)
}
