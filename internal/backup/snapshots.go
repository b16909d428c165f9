package backup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Snapshots reads the snapshots of an application that are in a data folder, and
// returns what is wrong with them: each ends with a checksum (CRC-32C, in 4
// bytes) over all before it.
func Snapshots(folder string) (count int, damaged []error) {
	folder = filepath.Join(folder, "snapshots")
	entries, err := os.ReadDir(folder)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return 0, nil
		}
		return 0, []error{err}
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), "snapshot-") {
			continue
		}
		count++
		data, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		switch end := len(data) - 4; {
		case err != nil:
			damaged = append(damaged, err)
		case end < 0 || crc32.Checksum(data[:end], crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(data[end:]):
			damaged = append(damaged, fmt.Errorf("snapshots/%s, %d bytes: it is not whole, and counts for nothing: Restore takes another one", entry.Name(), len(data)))
		}
	}
	return count, damaged
}
