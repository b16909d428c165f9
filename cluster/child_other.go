//go:build unix && !linux

package cluster

import "syscall"

// childAttributes keeps the terminal's signals for the parent, which passes
// them on. A child whose parent is gone ends when it next reports to it.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
