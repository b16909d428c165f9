//go:build unix && !linux

package journal

import (
	"os"

	"golang.org/x/sys/unix"
)

// lock takes the lock of a file, which ends with the process.
func lock(file *os.File) error {
	return unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}

func syncData(file *os.File) error { return file.Sync() }
