package main

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"chatterbox/internal/cli"
)

// completionCommand prints a completion script made from the grammar, so that
// it can never lag behind.
type completionCommand struct {
	Shell cli.Choice `arg:"" oneof:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help shows how to load the script.
func (completionCommand) Help() string {
	return `Examples:

    source <(chatterbox completion bash)
    chatterbox completion zsh > "${fpath[1]}/_chatterbox"
    chatterbox completion fish > ~/.config/fish/completions/chatterbox.fish`
}

// Run prints the script.
func (c *completionCommand) Run(console *cli.Console, parser *kong.Kong) error {
	nodes := cli.Commands(parser.Model.Node)
	switch c.Shell.Value {
	case "bash":
		writeBash(console.Stdout, nodes)
	case "zsh":
		writeZsh(console.Stdout, nodes)
	case "fish":
		writeFish(console.Stdout, nodes)
	}
	return nil
}

// visibleFlags returns the flags of a command that help shows, --help included.
func visibleFlags(node *kong.Node) []*kong.Flag {
	var flags []*kong.Flag
	for _, group := range node.AllFlags(true) {
		flags = append(flags, group...)
	}
	return flags
}

// wordsOf returns the values that a flag or argument can have, nil if they are
// not words to choose from.
func wordsOf(value *kong.Value) []string {
	if value.Target.Type() != reflect.TypeFor[cli.Choice]() {
		return nil
	}
	return cli.Choices(value)
}

// argumentWords returns the words that a command's arguments choose from.
func argumentWords(node *kong.Node) []string {
	var words []string
	for _, argument := range node.Positional {
		words = append(words, wordsOf(argument)...)
	}
	return words
}

func writeBash(w io.Writer, nodes []*kong.Node) {
	fmt.Fprintf(w, `# bash completion for chatterbox
_chatterbox() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=
  if [ "$COMP_CWORD" -eq 1 ]; then
    words=%q
  else
    case "${COMP_WORDS[1]} $before" in
`, cli.Names(nodes)+" --help")
	for _, node := range nodes {
		writeBashValues(w, node)
	}
	fmt.Fprint(w, "    *) case \"${COMP_WORDS[1]}\" in\n")
	for _, node := range nodes {
		words := argumentWords(node)
		for _, flag := range visibleFlags(node) {
			words = append(words, "--"+flag.Name)
		}
		fmt.Fprintf(w, "      %s) words=%q ;;\n", node.Name, strings.Join(words, " "))
	}
	fmt.Fprint(w, `    esac ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _chatterbox chatterbox
`)
}

// writeBashValues writes a case for each flag that takes a value: its words,
// or nothing, so that the shell falls back to file names.
func writeBashValues(w io.Writer, node *kong.Node) {
	for _, flag := range visibleFlags(node) {
		if flag.IsBool() {
			continue
		}
		pattern := fmt.Sprintf("%q", node.Name+" --"+flag.Name)
		if flag.Short != 0 {
			pattern += fmt.Sprintf("|%q", node.Name+" -"+string(flag.Short))
		}
		fmt.Fprintf(w, "    %s) words=%q ;;\n", pattern, strings.Join(wordsOf(flag.Value), " "))
	}
}

func writeZsh(w io.Writer, nodes []*kong.Node) {
	fmt.Fprint(w, "#compdef chatterbox\n_chatterbox() {\n  local state\n"+
		"  _arguments -C '1:command:->command' '*::argument:->argument'\n"+
		"  case $state in\n  command)\n    local -a commands=(\n")
	for _, node := range nodes {
		fmt.Fprintf(w, "      %s\n", shellQuote(node.Name+":"+node.Help))
	}
	fmt.Fprint(w, "    )\n    _describe command commands ;;\n  argument)\n    case $words[1] in\n")
	for _, node := range nodes {
		fmt.Fprintf(w, "    %s) _arguments", node.Name)
		for _, flag := range visibleFlags(node) {
			fmt.Fprintf(w, " \\\n      %s", shellQuote(zshFlag(flag)))
		}
		if words := argumentWords(node); words != nil {
			fmt.Fprintf(w, " \\\n      %s", shellQuote("1:argument:("+strings.Join(words, " ")+")"))
		}
		fmt.Fprint(w, " ;;\n")
	}
	fmt.Fprint(w, "    esac ;;\n  esac\n}\nif [ \"$funcstack[1]\" = _chatterbox ]; then _chatterbox \"$@\"; else compdef _chatterbox chatterbox; fi\n")
}

// zshFlag describes a flag in the language of zsh's _arguments.
func zshFlag(flag *kong.Flag) string {
	spec := "--" + flag.Name
	if !flag.IsBool() {
		spec += "="
	}
	spec += "[" + strings.NewReplacer("[", "(", "]", ")", ":", "\\:").Replace(flag.Help) + "]"
	if flag.IsBool() {
		return spec
	}
	if words := wordsOf(flag.Value); words != nil {
		return spec + ":value:(" + strings.Join(words, " ") + ")"
	}
	return spec + ":value:_files"
}

func writeFish(w io.Writer, nodes []*kong.Node) {
	fmt.Fprintln(w, "# fish completion for chatterbox")
	fmt.Fprintln(w, "complete -c chatterbox -n __fish_use_subcommand -f")
	for _, node := range nodes {
		fmt.Fprintf(w, "complete -c chatterbox -n __fish_use_subcommand -a %s -d %s\n", node.Name, shellQuote(node.Help))
	}
	for _, node := range nodes {
		condition := shellQuote("__fish_seen_subcommand_from " + node.Name)
		for _, flag := range visibleFlags(node) {
			fmt.Fprintf(w, "complete -c chatterbox -n %s%s -d %s\n", condition, fishFlag(flag), shellQuote(flag.Help))
		}
		if words := argumentWords(node); words != nil {
			fmt.Fprintf(w, "complete -c chatterbox -n %s -f -a %s\n", condition, shellQuote(strings.Join(words, " ")))
		}
	}
}

func fishFlag(flag *kong.Flag) string {
	spec := " -l " + flag.Name
	if flag.Short != 0 {
		spec += " -s " + string(flag.Short)
	}
	if flag.IsBool() {
		return spec
	}
	if words := wordsOf(flag.Value); words != nil {
		return spec + " -x -a " + shellQuote(strings.Join(words, " "))
	}
	return spec + " -r"
}

// shellQuote quotes text for the shells, single quotes in it included.
func shellQuote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
