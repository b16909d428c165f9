package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
)

// Output is where data goes. It keeps the first error, so that whoever writes
// need not look: [Main] asks once, in the end. After an error nothing more is
// written. Any goroutine may use it.
type Output struct {
	writing atomic.Int32 // calls of Write that have not returned

	mu  sync.Mutex // guards all below
	to  io.Writer
	err error
}

// NewOutput makes the output that goes to a writer. If that can be closed,
// Close closes it.
func NewOutput(to io.Writer) *Output { return &Output{to: to} }

// Write writes, unless an earlier call failed.
func (o *Output) Write(data []byte) (int, error) {
	o.writing.Add(1)
	defer o.writing.Add(-1)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.to.Write(data)
	if err != nil {
		o.err = cause(err)
	}
	return n, o.err
}

// Err returns the first error, and nil if all was written so far.
func (o *Output) Err() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// Close closes what is written to and returns the first error of all.
func (o *Output) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	closer, ok := o.to.(io.Closer)
	o.to = closed{}
	if !ok {
		return o.err
	}
	if err := closer.Close(); o.err == nil && err != nil {
		o.err = cause(err)
	}
	return o.err
}

// closed is what an output goes to after its end.
type closed struct{}

// Write fails.
func (closed) Write([]byte) (int, error) { return 0, fs.ErrClosed }

// cause takes the name of the operation and the file off an error, for those
// who say them in their own words.
func cause(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// SideFile is a file that a command writes beside stdout. It is opened before
// the run begins, so that a run is not made in vain; what it held before stays
// until the first write, and a new file to which nothing was written goes
// away. Any goroutine may use it.
type SideFile struct {
	out   *Output
	name  string // the flag that names it, and its path
	file  *os.File
	fresh bool // there was no such file

	mu   sync.Mutex // guards all below
	used bool
}

// SideFile opens the file that a flag names for writing. The error is nil or
// says flag, path and reason. What later cannot be written to it is told when
// the command ends, which then fails.
func (c *Console) SideFile(flag, path string) (*SideFile, error) {
	_, err := os.Lstat(path)
	fresh := errors.Is(err, fs.ErrNotExist)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", flag, path, cause(err))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, other := range c.files {
		if sameFile(other.file, file) {
			return nil, errors.Join(fmt.Errorf("%s %s: it is the file of %s too", flag, path, other.name), file.Close())
		}
	}
	side := &SideFile{out: NewOutput(file), name: flag + " " + path, file: file, fresh: fresh}
	c.files = append(c.files, side)
	return side, nil
}

// sameFile reports whether two files are one regular file.
func sameFile(a, b *os.File) bool {
	one, err := a.Stat()
	other, err2 := b.Stat()
	return err == nil && err2 == nil && one.Mode().IsRegular() && os.SameFile(one, other)
}

// Write writes at the end of what was written so far.
func (s *SideFile) Write(data []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.used {
		s.used = true
		_ = s.file.Truncate(0) // a pipe or device has nothing to forget
	}
	return s.out.Write(data)
}

// Err returns the first error, and nil if all was written so far.
func (s *SideFile) Err() error { return s.out.Err() }

// Close closes the file and returns an error that says what was lost.
func (s *SideFile) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fresh && !s.used {
		_ = os.Remove(s.file.Name())
	}
	if err := s.out.Close(); err != nil {
		return fmt.Errorf("%s: %w: the file is not complete", s.name, err)
	}
	return nil
}
