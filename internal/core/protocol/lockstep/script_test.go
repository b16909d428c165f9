package lockstep_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/lockstep"
	"chatterbox/internal/proof/mutant"
	"chatterbox/internal/proof/script"
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
		return mutant.NewLockstep(mutant.Mutant(m.Options["mutant"]), lockstep.Config{
			Self: m.ID, Members: m.Members, Identity: m.Identity, Life: m.Life, Recovered: m.Recovered,
			Tick: m.Tick, Durable: m.Durable, Datagram: m.Datagram,
			Batch: number("batch"), MemoryBytesMax: number("memory"), FirstContactWait: 100 * time.Millisecond,
		})
	}
}

func TestScripts(t *testing.T) { script.Run(t, "testdata", scripted(t)) }

// TestMutantScripts shows what breaks without a rule.
func TestMutantScripts(t *testing.T) {
	for _, broken := range mutant.Built(mutant.Lockstep) {
		if file := "testmutants/" + string(broken); inScript(broken) {
			script.Run(t, file, scripted(t))
		}
	}
}

// inScript reports whether a script shows a mutant.
func inScript(broken mutant.Mutant) bool {
	_, err := os.Stat("testmutants/" + string(broken))
	return err == nil
}
