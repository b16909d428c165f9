//go:build unix

package cli

import (
	"os"
	"syscall"
)

// tryLock takes the lock of a file, which ends with the process.
func tryLock(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
