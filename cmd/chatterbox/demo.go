package main

import (
	"strings"
	"time"

	"chatterbox/internal/job/cluster"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/show/board"

	"chatterbox/internal/cli"
)

// demoCommand shows what this is about, without any file or flag.
type demoCommand struct {
	WithSeed  cli.Seed `placeholder:"N" help:"Seed of all random numbers; drawn at random if not given."`
	Dashboard cli.Text `placeholder:"ADDR" help:"Show it on a page in the browser, such as 127.0.0.1:7070; port 0 chooses one. It then goes on until it is interrupted, slowly enough to see each entry, and a click breaks and heals links and members."`
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

// demoPageMap is the failure map of the demo on a page, where there is time to
// look; later it is for those who look to break something.
const demoPageMap = `
12s   a,b <-> c,d,e   cut
20s   a,b <-> c,d,e   heal
`

const (
	demoPageSendFor = 12 * time.Hour
	// demoPageRate is few enough to see each entry.
	demoPageRate = 4
)

// Help returns what there is to see.
func (demoCommand) Help() string {
	return `Five members, each a process of its own, broadcast random numbers over real sockets. After a while the link between a, b and c, d, e is cut: what is held goes on rising on both sides, but nothing settles, for the other side could have sent something earlier. When the link heals, all of it settles, and each member prints the same tuple: the number of entries, and the sum of i times the i-th number in the common order.`
}

// Run runs the demo.
func (c *demoCommand) Run(console *cli.Console) error {
	text := demoMap
	if c.Dashboard.Value != "" {
		text = demoPageMap
	}
	events, err := failure.Parse(strings.NewReader(text), "demo")
	if err != nil {
		panic(err) // the map is ours
	}
	schedule, err := events.Bind(cluster.Names(demoMembers))
	if err != nil {
		panic(err)
	}
	flags := cli.RunFlags{WithSeed: c.WithSeed, Protocol: cli.Choice{Value: "delta"}}
	flags.SendFor.Duration, flags.WaitFor.Duration, flags.Tick.Duration = demoSendFor, demoWaitFor, 10*time.Millisecond
	flags.Rate.Value, flags.Memory.Value = demoRate, demoMemoryMiB
	if c.Dashboard.Value != "" {
		flags.SendFor.Duration, flags.Rate.Value = demoPageSendFor, demoPageRate
		console.Notef("Five members broadcast until you interrupt them. Open the page; there, a click on a link cuts it.")
	} else {
		console.Notef("Five members broadcast; a,b lose c,d,e after 1.5 s and find them again after 3.5 s.")
	}
	show := show{console: console, nodes: demoMembers, flags: &flags, events: events, schedule: schedule, dashboard: c.Dashboard.Value, title: "demo", durable: c.Dashboard.Value != ""}
	defer show.close()
	report, err := show.run(flags.Seed(console))
	if err != nil {
		return err
	}
	board.PrintReport(console.Stdout, console.Out, report, false)
	show.stay()
	return reportStatus(report)
}
