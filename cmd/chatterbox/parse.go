package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// mistakes is everything that is wrong with a command line, a line each, each
// naming the flag, the value and what is allowed.
type mistakes []string

// Error gives all mistakes, a line each.
func (m mistakes) Error() string { return strings.Join(m, "\n") }

func (m *mistakes) addf(format string, args ...any) {
	*m = append(*m, fmt.Sprintf(format, args...))
}

// contradictory is a command whose flags, each fine by itself, may not fit
// together.
type contradictory interface {
	contradictions(*mistakes)
}

// parse reads the arguments and gives the selected command and everything
// that is wrong. The parser stops at the first argument that it cannot use,
// so that argument is noted and left out until it gets through. Values that
// are not allowed do not stop it: each flag remembers its own mistake.
func parse(parser *kong.Kong, args []string) (*kong.Context, mistakes) {
	var wrong mistakes
	for {
		context, err := parser.Parse(args)
		if err == nil {
			wrong = append(wrong, valueMistakes(context)...)
			if command, ok := context.Selected().Target.Addr().Interface().(contradictory); ok {
				command.contradictions(&wrong)
			}
			return context, wrong
		}
		culprit := culprit(err, args)
		if context := contextOf(err); culprit < 0 || context.Selected() == nil {
			wrong.addf("%s", explainCommand(parser, args, culprit, err))
			return context, wrong
		}
		wrong.addf("%s", explain(err))
		args = without(args, culprit)
	}
}

// culprit gives the index of the argument that the parser stopped at: the
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

// explain says what to do about the parser's terser errors.
func explain(err error) string {
	text := err.Error()
	if text == "unknown flag -h" || strings.HasPrefix(text, "unknown flag -h,") {
		return "-h is the host of a member; for help say --help"
	}
	return text
}

// explainCommand says what to do about an argument before the command, or
// instead of it.
func explainCommand(parser *kong.Kong, args []string, culprit int, err error) string {
	if culprit < 0 || strings.HasPrefix(args[culprit], "-") {
		return explain(err)
	}
	return fmt.Sprintf("%q is not a command; the commands are %s", args[culprit],
		strings.Join(strings.Fields(namesOf(visibleCommands(parser.Model.Node))), ", "))
}

// valueMistakes collects what the selected command's flags and arguments
// remember as wrong with their values.
func valueMistakes(context *kong.Context) mistakes {
	var wrong mistakes
	command := context.Selected()
	for _, group := range command.AllFlags(false) {
		for _, flag := range group {
			wrong.check("--"+flag.Name, flag.Value)
		}
	}
	for _, argument := range command.Positional {
		wrong.check("<"+argument.Name+">", argument)
	}
	return wrong
}

func (m *mistakes) check(name string, value *kong.Value) {
	if !value.Target.CanAddr() {
		return
	}
	if checked, ok := value.Target.Addr().Interface().(checkedValue); ok && checked.mistake() != "" {
		m.addf("%s %s", name, checked.mistake())
	}
}
