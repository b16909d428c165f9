//go:build unix

package bench

import (
	"os"
	"syscall"
)

// suspend lets a process stand still until resume.
func suspend(process *os.Process) error { return process.Signal(syscall.SIGSTOP) }

func resume(process *os.Process) error { return process.Signal(syscall.SIGCONT) }
