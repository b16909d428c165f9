// Package cli is what all commands of the program have in common: how a
// command line is read, where a command talks to, how it is interrupted, and
// with which status it ends.
//
// A command is a struct whose fields are flags, of the types [Whole],
// [Seconds], [Choice], [Text] and the like, and a method Run that takes a
// [Console]. [Main] parses, tells all [Mistakes] at once, runs the command and
// settles the account: whatever could not be written makes the [Status] a
// failure, and an interruption is told. A command that needs time gets its
// contexts from [Console.Interruptible], a file beside stdout from
// [Console.SideFile], and a folder that goes away from [Console.TempDir].
package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// Status is the exit status of the program; scripts rely on the numbers.
type Status int

// The exit statuses.
const (
	OK       Status = 0 // complete, agreed
	Violated Status = 1 // members disagree although complete; a checker found something
	Partial  Status = 2 // the deadline passed and something is missing; a trace ends early
	Failed   Status = 3 // usage or run failure, or something could not be written
	Missed   Status = 4 // a demanded target was missed
)

// Error lets a command end with a status after it has said everything.
func (s Status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// unlessWorse returns the status after something failed besides: what was
// found out counts for more than that.
func (s Status) unlessWorse() Status {
	if s == OK || s == Partial {
		return Failed
	}
	return s
}

// Program names what the command line belongs to.
type Program struct{ Name, Description string }

// Main parses the arguments, runs the command of the grammar that they select,
// and returns the exit status. Whatever the command made for a while is gone
// then.
func (p Program) Main(grammar any, args []string, console *Console) int {
	defer console.removeAll() // also when the command panics
	return int(console.settle(p.run(grammar, args, console)))
}

func (p Program) run(grammar any, args []string, console *Console) Status {
	helped := false
	parser, err := p.newParser(grammar, console, func() { helped = true })
	if err != nil {
		panic(err) // the grammar is ours
	}
	if len(args) == 0 { // a usage error whose answer is the list of commands
		parser.Stdout = console.Stderr
		_, _ = parser.Parse([]string{"--help"})
		return Failed
	}
	selected, mistakes := parse(parser, args)
	settings := settingsOf(selected)
	printed := !helped && settings != nil && settings.PrintConfig
	if printed {
		settings.print(console.Stdout, selected)
	}
	switch {
	case helped, printed && len(mistakes) == 0:
		return OK
	case len(mistakes) > 0:
		p.complain(console, selected, mistakes)
		return Failed
	}
	return p.status(selected.Run(console), console, selected)
}

func (p Program) newParser(grammar any, console *Console, helped func()) (*kong.Kong, error) {
	return kong.New(grammar,
		kong.Name(p.Name),
		kong.Description(p.Description),
		kong.Writers(heedless{console.Stdout}, console.Stderr),
		kong.Exit(func(int) { helped() }),
		kong.Resolvers(kong.ResolverFunc(resolve)),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: helpWidthMax}),
		kong.PostBuild(func(k *kong.Kong) error {
			k.Model.HelpFlag.Short = 0 // -h is the host, as in the original task
			k.Model.HelpFlag.Help = "Show this help."
			return nil
		}),
	)
}

// heedless takes everything and leaves errors to the output behind it: they are
// no mistakes of the command line.
type heedless struct{ out *Output }

// Write never fails.
func (h heedless) Write(data []byte) (int, error) {
	_, _ = h.out.Write(data)
	return len(data), nil
}

// helpWidthMax is how wide help may get, in columns.
const helpWidthMax = 100

// status turns what a command returned into the exit status, and reports the
// errors that nobody reported yet.
func (p Program) status(err error, console *Console, selected *kong.Context) Status {
	var wrong Mistakes
	var status Status
	switch {
	case err == nil:
		return OK
	case errors.As(err, &wrong):
		p.complain(console, selected, wrong)
		return Failed
	case errors.As(err, &status):
		return status
	}
	interrupted := errors.Is(err, ErrInterrupted) && console.signalled()
	unwritten := console.Stdout.Err() != nil && errors.Is(err, console.Stdout.Err())
	if !interrupted && !unwritten { // both are told in the end
		console.Errorf("%s", err)
	}
	return Failed
}

// complain prints all mistakes of a command line, and where help is.
func (p Program) complain(console *Console, selected *kong.Context, wrong Mistakes) {
	name := p.Name
	if selected != nil && selected.Selected() != nil {
		name += " " + selected.Selected().Path()
	}
	count := "1 mistake"
	if len(wrong) > 1 {
		count = fmt.Sprintf("%d mistakes", len(wrong))
	}
	fmt.Fprintf(console.Stderr, "%s: %s on the command line\n", name, count)
	for _, mistake := range wrong {
		fmt.Fprintf(console.Stderr, "  %s\n", strings.ReplaceAll(mistake, "\n", "\n    "))
	}
	fmt.Fprintf(console.Stderr, "help: %s --help\n", name)
}
