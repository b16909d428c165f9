//go:build unix

package journal

import (
	"os"
	"syscall"
)

// lock takes the lock of a file, which ends with the process.
func lock(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
