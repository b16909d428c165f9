package backup

import (
	"bytes"
	"testing"
)

// FuzzFile reads anything as a backup: what is taken can be written again and is
// the same.
func FuzzFile(f *testing.F) {
	var out bytes.Buffer
	if _, err := Write(f.Context(), &out, newListed(9)); err != nil {
		f.Fatal(err)
	}
	f.Add(out.Bytes())
	f.Add(out.Bytes()[:out.Len()/2])
	f.Add([]byte(`{"chatterbox":"backup","version":1,"members":["a"],"oldest":1,"settled":0}` + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		log := &listed{name: "fuzzed"}
		file := new(File)
		end, err := file.readFrom(bytes.NewReader(text), func(e *Entry) bool {
			log.entries = append(log.entries, *e)
			return true
		})
		if err != nil {
			return
		}
		digest := NewDigest()
		for i := range log.entries {
			if log.entries[i].Position != file.about.Oldest+uint64(i) {
				t.Fatalf("position %d at place %d from %d on", log.entries[i].Position, i, file.about.Oldest)
			}
			digest.Add(&log.entries[i])
		}
		if digest.String() != end.Digest || uint64(len(log.entries)) != end.Entries {
			t.Fatalf("%d entries with digest %s were taken for %d with %s", len(log.entries), digest, end.Entries, end.Digest)
		}
	})
}
