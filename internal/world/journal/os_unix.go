//go:build unix

package journal

import (
	"errors"
	"os"
	"syscall"
)

// lock takes the lock of a file, which ends with the process.
func lock(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// isNoRoom reports whether a file could not be written because the disk, or what
// this user may have of it, is full.
func isNoRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
