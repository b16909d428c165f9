package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"chatterbox/internal/cli"
)

// versionCommand prints what this binary was built from.
type versionCommand struct{}

// Run prints one line: name, version, commit, Go version, platform.
func (versionCommand) Run(console *cli.Console) error {
	info, _ := debug.ReadBuildInfo()
	fmt.Fprintf(console.Stdout, "chatterbox %s %s %s/%s\n", version(info), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// version returns the module version, or the commit where there is none.
func version(info *debug.BuildInfo) string {
	if info == nil {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	commit, changed := "devel", ""
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			commit = "commit " + setting.Value[:min(12, len(setting.Value))]
		case "vcs.modified":
			if setting.Value == "true" {
				changed = " with changes"
			}
		}
	}
	return commit + changed
}
