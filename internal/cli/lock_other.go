//go:build !unix

package cli

import (
	"errors"
	"os"
)

// tryLock always fails: here nobody can tell whether a folder is in use, and what
// a killed program leaves stays.
func tryLock(*os.File) error { return errors.ErrUnsupported }
