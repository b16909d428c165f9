package journal

import (
	"os"

	"golang.org/x/sys/unix"
)

// lock takes the lock of a file, which ends with the process.
func lock(file *os.File) error {
	return unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}

// syncData leaves out times and rights, which nobody reads back.
func syncData(file *os.File) error {
	for {
		if err := unix.Fdatasync(int(file.Fd())); err != unix.EINTR {
			return err
		}
	}
}
