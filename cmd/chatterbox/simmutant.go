package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"chatterbox/internal/cli"
	"chatterbox/internal/job/cluster"
	"chatterbox/internal/proof/mutant"
	"chatterbox/internal/term"
)

// A mutant is a patch of the source, so a program that has one must be built:
// this one builds it, from the source that it was built from itself, and lets it
// do the work.

// foreign returns the variants that are wanted and that another program must
// have; nil if this one has all.
func (c *simCommand) foreign() []mutant.Variant {
	protocol := c.config.Protocol
	var wanted []mutant.Variant
	for _, m := range c.mutants() {
		if slices.Contains(mutant.Built(protocol), m) {
			return nil // then it has all
		}
		wanted = append(wanted, mutant.Variant{Protocol: protocol, Mutant: m})
	}
	return wanted
}

// mutants returns those that are wanted.
func (c *simCommand) mutants() []mutant.Mutant {
	switch {
	case c.Ablate:
		return c.rules
	case c.config.Mutant != mutant.None:
		return []mutant.Mutant{c.config.Mutant}
	}
	return nil
}

// handOver builds a program with variants, and runs it with the same arguments.
func (c *simCommand) handOver(console *cli.Console, variants []mutant.Variant) error {
	ctx, _ := console.Interruptible()
	root, err := sourceFolder()
	if err != nil {
		return err
	}
	folder, err := console.TempDir()
	if err != nil {
		return err
	}
	overlay, err := mutant.WriteOverlay(root, folder, variants)
	if err != nil {
		return err
	}
	if console.Live {
		console.Notef("building a program with %s", term.Plural(len(variants), "mutant"))
	}
	program := filepath.Join(folder, "chatterbox")
	if err := build(ctx, root, overlay, program); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, program, os.Args[1:]...) //nolint:gosec // our own program
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.SysProcAttr = cluster.ChildAttributes()
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	var exit *exec.ExitError
	err = command.Run()
	switch {
	case ctx.Err() != nil:
		return cli.ErrInterrupted
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return cli.Status(exit.ExitCode())
	}
	return err
}

// build builds this program with an overlay.
func build(ctx context.Context, root, overlay, program string) error {
	arguments := []string{"build", "-overlay", overlay, "-o", program}
	if isTrimmed() { // then most of it need not be compiled again
		arguments = append(arguments, "-trimpath")
	}
	command := exec.CommandContext(ctx, "go", append(arguments, "./cmd/chatterbox")...)
	command.Dir = root
	out, err := command.CombinedOutput()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("--mutant builds a program with the broken rule in it, so it needs Go: put the go command on the PATH")
	case ctx.Err() != nil:
		return cli.ErrInterrupted
	case err != nil:
		return fmt.Errorf("--mutant: go build in %s: %w\n%s", root, err, bytes.TrimSpace(out))
	}
	return nil
}

// isTrimmed reports whether this program knows no folder of its source.
func isTrimmed() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-trimpath", Value: "true"})
}

// sourceVariable names the folder of the source, for programs that are
// somewhere else.
const sourceVariable = "CHATTERBOX_SOURCE"

// sourceFolder finds the source: where the environment says, around the
// present folder, around the program, or where it was compiled.
func sourceFolder() (string, error) {
	var places []string
	if named := os.Getenv(sourceVariable); named != "" {
		places = append(places, named)
	} else {
		if here, err := os.Getwd(); err == nil {
			places = append(places, here)
		}
		if program, err := os.Executable(); err == nil {
			places = append(places, filepath.Dir(program))
		}
		if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
			places = append(places, filepath.Dir(file))
		}
	}
	for _, place := range places {
		for folder := place; ; folder = filepath.Dir(folder) {
			if isSource(folder) {
				return folder, nil
			}
			if folder == filepath.Dir(folder) {
				break
			}
		}
	}
	return "", fmt.Errorf("--mutant builds a program with the broken rule in it, so it needs the source: run it in a folder of that, or set %s to it (looked at %s)",
		sourceVariable, strings.Join(places, ", "))
}

// isSource reports whether a folder is the root of the source.
func isSource(folder string) bool {
	text, err := os.ReadFile(filepath.Join(folder, "go.mod"))
	if err != nil || !bytes.HasPrefix(text, []byte("module chatterbox\n")) {
		return false
	}
	_, err = os.Stat(filepath.Join(folder, "internal/proof/mutant/mutant.go"))
	return err == nil
}
