//go:build !unix

package bench

import (
	"errors"
	"os"
)

// suspend cannot let a process stand still on this system.
func suspend(*os.Process) error { return errors.ErrUnsupported }

func resume(*os.Process) error { return errors.ErrUnsupported }
