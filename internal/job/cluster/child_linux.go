package cluster

import "syscall"

// ChildAttributes lets a child die with this process, whatever ends it, and
// keeps the terminal's signals for the parent, which passes them on.
func ChildAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
