package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Mistakes is everything that is wrong with a command line, a line each, each
// naming the flag, the value and what is allowed.
type Mistakes []string

// Error returns all mistakes, a line each.
func (m Mistakes) Error() string { return strings.Join(m, "\n") }

// Addf adds one.
func (m *Mistakes) Addf(format string, args ...any) {
	*m = append(*m, fmt.Sprintf(format, args...))
}

// Contradictory is a command whose flags, each fine by itself, may not fit
// together.
type Contradictory interface {
	// Contradictions adds what does not fit. It is asked before Run, also when
	// flags have mistakes of their own.
	Contradictions(*Mistakes)
}

// parse reads the arguments and gives the selected command and everything
// that is wrong. The parser stops at the first argument that it cannot use,
// so that argument is noted and left out until it gets through. Values that
// are not allowed do not stop it: each flag remembers its own mistake.
func parse(parser *kong.Kong, args []string) (*kong.Context, Mistakes) {
	var wrong Mistakes
	for {
		context, err := parser.Parse(args)
		if err == nil {
			return context, append(wrong, mistakesOf(context)...)
		}
		culprit := culprit(err, args)
		if context := contextOf(err); culprit < 0 || context.Selected() == nil {
			wrong.Addf("%s", explainCommand(parser, args, culprit, err))
			if context != nil && context.Error == nil && context.Selected() != nil {
				wrong = append(wrong, mistakesOf(context)...) // what is missing says nothing of what is there
			}
			return context, wrong
		}
		wrong.Addf("%s", explain(err))
		args = without(args, culprit)
	}
}

// mistakesOf returns what is wrong with the values of the selected command, each by
// itself and together.
func mistakesOf(context *kong.Context) Mistakes {
	wrong := valueMistakes(context)
	if s := settingsOf(context); s != nil {
		wrong = append(wrong, s.wrong...)
	}
	if command, ok := context.Selected().Target.Addr().Interface().(Contradictory); ok {
		command.Contradictions(&wrong)
	}
	return wrong
}

// culprit returns the index of the argument that the parser stopped at: the
// first one after all that it could use. It is -1 if none is to blame.
func culprit(err error, args []string) int {
	context := contextOf(err)
	if context == nil || len(context.Path) == 0 {
		return -1
	}
	rest := len(context.Path[len(context.Path)-1].Remainder())
	if rest == 0 || rest > len(args) || context.Error == nil {
		return -1
	}
	return len(args) - rest
}

// without leaves out one argument, and if it was a flag, what looks like its
// value as well.
func without(args []string, index int) []string {
	end := index + 1
	isFlag := strings.HasPrefix(args[index], "-") && !strings.Contains(args[index], "=")
	if isFlag && end < len(args) && !strings.HasPrefix(args[end], "-") {
		end++
	}
	return slices.Delete(slices.Clone(args), index, end)
}

func contextOf(err error) *kong.Context {
	var wrong *kong.ParseError
	if errors.As(err, &wrong) {
		return wrong.Context
	}
	return nil
}

// explain returns what to do about the parser's terser errors.
func explain(err error) string {
	text := err.Error()
	if text == "unknown flag -h" || strings.HasPrefix(text, "unknown flag -h,") {
		return "-h is the host of a member; for help say --help"
	}
	return text
}

// explainCommand returns what to do about an argument before the command, or
// instead of it.
func explainCommand(parser *kong.Kong, args []string, culprit int, err error) string {
	if culprit < 0 || strings.HasPrefix(args[culprit], "-") {
		return explain(err)
	}
	return fmt.Sprintf("%q is not a command; the commands are %s", args[culprit],
		strings.Join(strings.Fields(Names(Commands(parser.Model.Node))), ", "))
}

// valueMistakes collects what the selected command's flags and arguments
// remember as wrong with their values.
func valueMistakes(context *kong.Context) Mistakes {
	var wrong Mistakes
	command, settings := context.Selected(), settingsOf(context)
	for _, group := range command.AllFlags(false) {
		for _, flag := range group {
			wrong.check("--"+flag.Name, flag.Value, settings.origin(flag.Name))
		}
	}
	for _, argument := range command.Positional {
		wrong.check("<"+argument.Name+">", argument, "")
	}
	return wrong
}

func (m *Mistakes) check(name string, value *kong.Value, origin string) {
	if !value.Target.CanAddr() {
		return
	}
	if checked, ok := value.Target.Addr().Interface().(checked); ok && checked.Mistake() != "" {
		m.Addf("%s %s%s", name, checked.Mistake(), origin)
	}
}

// Commands returns the commands that help shows.
func Commands(root *kong.Node) []*kong.Node {
	var nodes []*kong.Node
	for _, node := range root.Children {
		if !node.Hidden {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// Names returns the names of commands, with spaces between.
func Names(nodes []*kong.Node) string {
	names := make([]string, len(nodes))
	for i, node := range nodes {
		names[i] = node.Name
	}
	return strings.Join(names, " ")
}
