package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// FS is the folder of a journal. What is written and not yet synced, and
// files made or removed before SyncDir, may be lost in a crash.
type FS interface {
	// Lock keeps other processes out until the closer is closed.
	Lock() (io.Closer, error)
	// List gives the names of all files.
	List() ([]string, error)
	// Read gives the whole of a file, in memory that is the caller's.
	Read(name string) ([]byte, error)
	// Create makes a file that must not exist yet.
	Create(name string) (File, error)
	// Cut shortens a file, and makes that and all before it durable.
	Cut(name string, size int64) error
	Remove(name string) error
	// SyncDir makes durable which files there are.
	SyncDir() error
}

// File is a file that is only added to.
type File interface {
	io.WriteCloser
	// Sync makes all that was written durable.
	Sync() error
}

// lockName is the file whose lock keeps two processes apart.
const lockName = "lock"

// Folder gives the folder at path on disk; it is made if it is not there.
func Folder(path string) (FS, error) {
	if err := os.MkdirAll(path, 0o750); err != nil {
		return nil, fmt.Errorf("journal: data folder: %w", err)
	}
	return folder(path), nil
}

type folder string

func (f folder) path(name string) string { return filepath.Join(string(f), name) }

func (f folder) Lock() (io.Closer, error) {
	file, err := os.OpenFile(f.path(lockName), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, err
	}
	if err := lock(file); err != nil {
		return nil, errors.Join(fmt.Errorf("data folder %s is in use: stop the other process, or give this member its own folder: %w",
			string(f), err), file.Close())
	}
	return file, nil
}

func (f folder) List() ([]string, error) {
	entries, err := os.ReadDir(string(f))
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names, err
}

func (f folder) Read(name string) ([]byte, error) { return os.ReadFile(f.path(name)) }

func (f folder) Create(name string) (File, error) {
	file, err := os.OpenFile(f.path(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, err
	}
	return diskFile{file}, nil
}

func (f folder) Cut(name string, size int64) error {
	file, err := os.OpenFile(f.path(name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(file.Truncate(size), file.Sync(), file.Close())
}

func (f folder) Remove(name string) error { return os.Remove(f.path(name)) }

func (f folder) SyncDir() error {
	dir, err := os.Open(string(f))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// diskFile syncs only what is needed to read the data back.
type diskFile struct{ *os.File }

func (f diskFile) Sync() error { return syncData(f.File) }
