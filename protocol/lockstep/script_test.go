package lockstep

import (
	"strconv"
	"testing"
	"time"

	"chatterbox/protocol"
	"chatterbox/protocol/mutant"
	"chatterbox/protocol/script"
)

// scripted makes a member of a script; the cluster line may name a mutant,
// batch=N, and memory=BYTES.
func scripted(t *testing.T) func(script.Member) protocol.Reducer {
	return func(m script.Member) protocol.Reducer {
		number := func(key string) int {
			n, err := strconv.Atoi("0" + m.Options[key])
			if err != nil {
				t.Fatalf("cluster %s: %v", key, err)
			}
			return n
		}
		return NewMutant(Config{
			Self: m.ID, Members: m.Members, Identity: m.Identity, Life: m.Life, Recovered: m.Recovered,
			Tick: m.Tick, Durable: m.Durable, Datagram: m.Datagram, Fold: script.Fold,
			Batch: number("batch"), MemoryBytesMax: number("memory"), FirstContactWait: 100 * time.Millisecond,
		}, mutant.Mutant(m.Options["mutant"]))
	}
}

func TestScripts(t *testing.T) { script.Run(t, "testdata", scripted(t)) }
