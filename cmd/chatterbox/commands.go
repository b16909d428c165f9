package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// commands is the grammar of the command line: a field for each command.
type commands struct {
	Demo       demoCommand       `cmd:"" help:"Watch five members broadcast, lose a link, heal and agree."`
	Node       nodeCommand       `cmd:"" help:"Run one member: send for a while, wait for a while, print (COUNT,SCORE)."`
	Cluster    clusterCommand    `cmd:"" help:"Run a whole cluster as real processes on this machine, and break it by a failure map."`
	Bench      benchCommand      `cmd:"" help:"Measure how fast a cluster orders entries, beside what this machine can carry at all."`
	Maelstrom  maelstromCommand  `cmd:"" help:"Run one member behind Maelstrom's JSON lines on stdin and stdout."`
	Sim        simCommand        `cmd:"" help:"Run clusters in virtual time from a seed, with everything failing, and check every promise."`
	Check      checkCommand      `cmd:"" help:"Judge the trace of a simulated or real cluster."`
	Completion completionCommand `cmd:"" help:"Print the completion script for a shell."`
	Version    versionCommand    `cmd:"" help:"Print the version."`

	BenchMember benchMemberCommand `cmd:"" hidden:"" help:"One member of a measurement."`
}

// status is the exit status of the program; scripts rely on the numbers.
type status int

// The exit statuses, as cli.md fixes them.
const (
	statusOK       status = 0 // complete, agreed
	statusViolated status = 1 // members disagree although complete; a checker found something
	statusPartial  status = 2 // the deadline passed and something is missing
	statusFailed   status = 3 // usage or run failure
	statusMissed   status = 4 // a demanded target was missed
)

// Error lets a command end with a status after it has said everything.
func (s status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// run parses the arguments, runs the command and gives the exit status.
func run(args []string, console *console) int {
	var grammar commands
	helped := false
	parser, err := newParser(&grammar, console, func() { helped = true })
	if err != nil {
		panic(err) // the grammar is ours
	}
	if len(args) == 0 { // a usage error whose answer is the list of commands
		parser.Stdout = console.stderr
		_, _ = parser.Parse([]string{"--help"})
		return int(statusFailed)
	}
	selected, mistakes := parse(parser, args)
	switch {
	case helped:
		return int(statusOK)
	case len(mistakes) > 0:
		complain(console, selected, mistakes)
		return int(statusFailed)
	}
	return exitStatus(selected.Run(console), console, selected)
}

func newParser(grammar *commands, console *console, helped func()) (*kong.Kong, error) {
	return kong.New(grammar,
		kong.Name("chatterbox"),
		kong.Description("Leaderless, totally ordered broadcast.\n\nStart with: chatterbox demo"),
		kong.Writers(console.stdout, console.stderr),
		kong.Exit(func(int) { helped() }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: helpWidthMax}),
		kong.PostBuild(func(k *kong.Kong) error {
			k.Model.HelpFlag.Short = 0 // -h is the host, as in the original task
			k.Model.HelpFlag.Help = "Show this help."
			return nil
		}),
	)
}

// helpWidthMax is how wide help may get, in columns.
const helpWidthMax = 100

// exitStatus turns what a command returned into the exit status, and reports
// the errors that nobody reported yet.
func exitStatus(err error, console *console, selected *kong.Context) int {
	var wrong mistakes
	var code status
	switch {
	case err == nil:
		return int(statusOK)
	case errors.As(err, &wrong):
		complain(console, selected, wrong)
		return int(statusFailed)
	case errors.As(err, &code):
		return int(code)
	}
	console.errorf("%s", err)
	return int(statusFailed)
}

// complain prints all mistakes of a command line, and where help is.
func complain(console *console, selected *kong.Context, wrong mistakes) {
	name := "chatterbox"
	if selected != nil && selected.Selected() != nil {
		name = "chatterbox " + selected.Selected().Path()
	}
	count := "1 mistake"
	if len(wrong) > 1 {
		count = fmt.Sprintf("%d mistakes", len(wrong))
	}
	fmt.Fprintf(console.stderr, "%s: %s on the command line\n", name, count)
	for _, mistake := range wrong {
		fmt.Fprintf(console.stderr, "  %s\n", strings.ReplaceAll(mistake, "\n", "\n    "))
	}
	fmt.Fprintf(console.stderr, "help: %s --help\n", name)
}
