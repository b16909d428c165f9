//go:build unix

package cli

import (
	"os"
	"path/filepath"
	"testing"
)

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// TestFoldersOfTheKilledAreRemoved: the lock of a program that is killed ends with
// it. Folders in use, those of others and data folders stay.
func TestFoldersOfTheKilledAreRemoved(t *testing.T) {
	parent := t.TempDir()
	t.Setenv("TMPDIR", parent)
	abandoned, err := newTempFolder(parent)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(abandoned.path, "a.trace"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	_ = abandoned.lock.Close() // as the end of the process does
	data := filepath.Join(parent, "chatterbox-data")
	target := filepath.Join(parent, "elsewhere")
	for _, path := range []string{filepath.Join(data, "lock"), filepath.Join(target, tempLock)} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(parent, "chatterbox-link")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	var first, second Console
	one, err := first.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	two, err := second.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	if exists(abandoned.path) {
		t.Error("the folder of a killed program is still there")
	}
	for _, path := range []string{one, two, data, filepath.Join(data, "lock"), link, filepath.Join(target, tempLock)} {
		if !exists(path) {
			t.Errorf("%s is gone", path)
		}
	}
	first.removeAll()
	second.removeAll()
	if exists(one) || exists(two) {
		t.Error("a folder outlives its program")
	}
}
