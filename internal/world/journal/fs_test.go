package journal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatterbox/internal/core/protocol"
)

func TestFolderOnDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "member", "data")
	fs, err := Folder(path)
	if err != nil {
		t.Fatal(err)
	}
	cfg := testConfig()
	cfg.SegmentBytesMax = 300
	j, _ := open(t, fs, cfg)
	for n := uint64(1); n <= 6; n++ {
		j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(t, 1, n, strings.Repeat("p", 100))}})
		synced(t, j)
	}
	if _, _, err := Open(fs, cfg); err == nil || !strings.Contains(err.Error(), path+" is in use") {
		t.Errorf("a second process: %v", err)
	}
	j.Keep(protocol.Effects{Base: &protocol.Snapshot{Time: 40, Have: []uint64{0, 4, 0}}})
	closed(t, j)

	newest := filepath.Join(path, segmentName(j.open().number))
	tear(t, newest)
	j, life := open(t, fs, cfg)
	if got := len(life.Recovered.Batches); got != 2 || life.Recovered.Base.Have[1] != 4 {
		t.Errorf("%d batches above %v", got, life.Recovered.Base.Have)
	}
	closed(t, j)
	if j.Sync() == nil {
		t.Error("a closed journal synced")
	}
}

// tear adds the beginning of a record to a file.
func tear(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write([]byte{50, 0, 0, 3, 1, 2, 3, 4, 5}); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFolderThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Folder(filepath.Join(file, "data")); err == nil || !strings.Contains(err.Error(), "data folder") {
		t.Errorf("error: %v", err)
	}
}

// BenchmarkSync is what a sync of one full batch costs on this disk.
func BenchmarkSync(b *testing.B) {
	fs, err := Folder(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	j, _ := open(b, fs, testConfig())
	defer closed(b, j)
	batch := makeBatch(b, 1, 1, strings.Repeat("p", 16000))
	b.SetBytes(int64(batch.Size()))
	b.ReportAllocs()
	for b.Loop() {
		j.Keep(protocol.Effects{Append: []protocol.Batch{batch}})
		synced(b, j)
	}
}
