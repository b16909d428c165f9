package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

// Settings lets the flags of a command that stays come from the environment and
// from a file too: a flag counts for more than the environment, and that for
// more than the file. A command embeds it.
type Settings struct {
	Config      Text `placeholder:"FILE" help:"File with flags, a line NAME = VALUE each; flags and the environment count for more."`
	PrintConfig bool `help:"Print all flags with their values and where each comes from, as such a file, and end."`

	given   map[string]setting
	sources map[string]string // where the value of a flag comes from; "" by default
	wrong   Mistakes
}

// setting is a line of the file.
type setting struct {
	value string
	where string
	known bool
}

func (s *Settings) settings() *Settings { return s }

// settingsOf returns the settings of the selected command, nil if it has none.
func settingsOf(context *kong.Context) *Settings {
	if context == nil || context.Selected() == nil || !context.Selected().Target.CanAddr() {
		return nil
	}
	if command, ok := context.Selected().Target.Addr().Interface().(interface{ settings() *Settings }); ok {
		return command.settings()
	}
	return nil
}

const (
	envPrefix     = "CHATTERBOX_"
	configFlag    = "config"
	settingsMiB   = 1
	settingsQuote = `"`
)

// envName returns the variable of the environment that stands for a flag.
func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// isSetting reports whether a flag can be given elsewhere than on the command
// line.
func isSetting(flag *kong.Flag) bool {
	return flag.Name != "help" && flag.Name != configFlag && flag.Name != "print-config" && !flag.Hidden
}

// resolve returns, for the parser, the value of a flag that is not on the command
// line; nil if there is none. What is wrong is noted, for all mistakes are told
// together.
func resolve(context *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	s := settingsOf(context)
	if s == nil || !isSetting(flag) {
		return nil, nil // this is how the parser hears of nothing
	}
	if s.sources == nil {
		s.begin(context)
	}
	value, where := os.Getenv(envName(flag.Name)), "environment "+envName(flag.Name)
	if line, ok := s.given[flag.Name]; ok {
		line.known = true
		s.given[flag.Name] = line
		if value == "" {
			value, where = line.value, line.where
		}
	}
	if value == "" {
		return nil, nil
	}
	if flag.IsBool() && !isBool(value) {
		s.wrong.Addf("%s %q: true or false (%s)", "--"+flag.Name, value, where)
		return nil, nil
	}
	s.sources[flag.Name] = where
	return value, nil
}

func isBool(text string) bool {
	_, err := strconv.ParseBool(text)
	return err == nil
}

// begin reads the file.
func (s *Settings) begin(context *kong.Context) {
	s.sources, s.given = map[string]string{}, map[string]setting{}
	path, named := os.Getenv(envName(configFlag)), "environment "+envName(configFlag)
	for _, flag := range context.Flags() {
		if given, ok := context.FlagValue(flag).(Text); ok && flag.Name == configFlag && given.Value != "" {
			path, named = given.Value, "--config"
		}
	}
	if path == "" {
		return
	}
	text, err := ReadFile(path, settingsMiB)
	if err != nil {
		s.wrong.Addf("%s: %v", named, err)
		return
	}
	for i, line := range strings.Split(string(bytes.TrimPrefix(text, []byte("\ufeff"))), "\n") {
		where := fmt.Sprintf("%s:%d", path, i+1)
		if err := s.take(line, where); err != nil {
			s.wrong.Addf("%s: %v", where, err)
		}
	}
	flags := context.Flags()
	for name, line := range s.given {
		if !slices.ContainsFunc(flags, func(f *kong.Flag) bool { return f.Name == name && isSetting(f) }) {
			s.wrong.Addf("%s: no flag that a file may set is called %s", line.where, name)
		}
	}
	slices.Sort(s.wrong)
}

// take takes a line of the file: nothing, a remark, or NAME = VALUE. A value
// that begins with a quotation mark is a string as in Go; else it ends before a
// blank and #.
func (s *Settings) take(line, where string) error {
	line = strings.TrimSpace(line)
	if line == "" || strings.HasPrefix(line, "#") {
		return nil
	}
	name, value, ok := strings.Cut(line, "=")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if !ok || name == "" {
		return fmt.Errorf("%q: a line is NAME = VALUE, or begins with #", line)
	}
	if strings.HasPrefix(value, settingsQuote) {
		quoted, err := strconv.QuotedPrefix(value)
		rest := strings.TrimSpace(strings.TrimPrefix(value, quoted))
		if err != nil || rest != "" && !strings.HasPrefix(rest, "#") {
			return fmt.Errorf("%s: a value in quotation marks ends with one: %s", name, value)
		}
		value, _ = strconv.Unquote(quoted) // QuotedPrefix has looked
	} else if at := strings.Index(value+" ", " #"); at >= 0 {
		value = strings.TrimSpace(value[:at])
	}
	if value == "" {
		return fmt.Errorf("%s has no value: leave the line out", name)
	}
	if before, twice := s.given[name]; twice {
		return fmt.Errorf("%s is given already, at %s", name, before.where)
	}
	s.given[name] = setting{value: value, where: where}
	return nil
}

// origin returns where the value of a flag comes from, unless that is the command
// line or the flag's default.
func (s *Settings) origin(flag string) string {
	if s == nil || s.sources[flag] == "" {
		return ""
	}
	return " (" + s.sources[flag] + ")"
}

// print writes all flags as a file that can be given with --config.
func (s *Settings) print(out io.Writer, context *kong.Context) {
	typed := map[string]bool{}
	for _, path := range context.Path {
		if path.Flag != nil && !path.Resolved {
			typed[path.Flag.Name] = true
		}
	}
	known := map[string]bool{envName(configFlag): true}
	for _, flag := range context.Flags() {
		if !isSetting(flag) {
			continue
		}
		known[envName(flag.Name)] = true
		source := s.sources[flag.Name]
		switch {
		case typed[flag.Name]:
			source = "command line"
		case source == "":
			source = "default"
		}
		line := fmt.Sprintf("%s = %s", flag.Name, settingText(flag.Target.Interface()))
		if settingText(flag.Target.Interface()) == "" {
			line, source = "# "+flag.Name+" =", "not set"
		}
		fmt.Fprintf(out, "%-40s # %s\n", line, source)
	}
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, envPrefix) && !known[name] {
			fmt.Fprintf(out, "# %s in the environment names no flag\n", name)
		}
	}
}

// settingText returns a value as a file has it.
func settingText(value any) string {
	text := fmt.Sprint(value)
	if strings.Contains(text, "#") || strings.TrimSpace(text) != text || strings.HasPrefix(text, settingsQuote) {
		return strconv.Quote(text)
	}
	return text
}
