package cli

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	// tempPrefix begins the names of temporary folders.
	tempPrefix = "chatterbox-"
	// tempLock is a file in each of them, locked by the program that made it. No
	// data folder has one of that name.
	tempLock = "temporary.lock"
)

// tempFolder is a folder that goes with the program.
type tempFolder struct {
	path string
	lock io.Closer
}

// TempDir makes a folder that is gone when the program ends, however it ends. If
// that is killed at once, the next one that makes a folder removes it.
func (c *Console) TempDir() (string, error) {
	sweep(os.TempDir())
	folder, err := newTempFolder(os.TempDir())
	for errors.Is(err, errSwept) {
		folder, err = newTempFolder(os.TempDir())
	}
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.folders = append(c.folders, folder)
	return folder.path, nil
}

// errSwept says that another program removed a folder before it was locked.
var errSwept = errors.New("swept before it was locked")

// newTempFolder makes a folder with its lock.
func newTempFolder(parent string) (tempFolder, error) {
	path, err := os.MkdirTemp(parent, tempPrefix)
	if err != nil {
		return tempFolder{}, err
	}
	name := filepath.Join(path, tempLock)
	lock, err := os.Create(name)
	if err != nil {
		return tempFolder{}, err
	}
	held := tryLock(lock) // where there are no locks nobody sweeps either
	if _, err := os.Lstat(name); err != nil || errors.Is(held, syscall.EWOULDBLOCK) {
		_ = lock.Close()
		return tempFolder{}, errSwept
	}
	return tempFolder{path, lock}, nil
}

// sweep removes the temporary folders that nobody uses: those whose program was
// killed. What cannot be looked at or removed stays, and hurts nobody.
func sweep(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if !entry.IsDir() || !strings.HasPrefix(entry.Name(), tempPrefix) {
			continue
		}
		path := filepath.Join(parent, entry.Name())
		lock, err := os.OpenFile(filepath.Join(path, tempLock), os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if tryLock(lock) == nil {
			_ = os.RemoveAll(path)
		}
		_ = lock.Close()
	}
}

// removeAll removes the folders that were made for a while.
func (c *Console) removeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, folder := range c.folders {
		_ = os.RemoveAll(folder.path)
		_ = folder.lock.Close()
	}
	c.folders = nil
}
