//go:build unix && !linux

package cluster

import "syscall"

// ChildAttributes keeps the terminal's signals for the parent, which passes
// them on. A child whose parent is gone ends when it next reports to it.
func ChildAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
