package delta_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/delta"
	"chatterbox/internal/proof/mutant"
	"chatterbox/internal/proof/script"
)

func build(m script.Member) protocol.Reducer {
	number := func(key string) int {
		n, _ := strconv.Atoi(m.Options[key])
		return n
	}
	drain, _ := time.ParseDuration(m.Options["drain"])
	_, keepAll := m.Options["keepall"]
	return mutant.NewDelta(mutant.Mutant(m.Options["mutant"]), delta.Config{
		Self: m.ID, Members: m.Members, Identity: m.Identity, Life: m.Life, Tick: m.Tick,
		Durable: m.Durable, Recovered: m.Recovered, Datagram: m.Datagram,
		WindowBytesMax: number("window"), MessageBytesMax: number("message"), MemoryBytesMax: number("memory"),
		AheadBytesMax: number("ahead"), DrainFor: drain, KeepAll: keepAll, Holders: number("holders"),
	})
}

func TestScripts(t *testing.T) { script.Run(t, "testdata", build) }

// TestMutantScripts shows what breaks without a rule.
func TestMutantScripts(t *testing.T) {
	for _, broken := range mutant.Built(mutant.Delta) {
		if file := "testmutants/" + string(broken); inScript(broken) {
			script.Run(t, file, build)
		}
	}
}

// inScript reports whether a script shows a mutant.
func inScript(broken mutant.Mutant) bool {
	_, err := os.Stat("testmutants/" + string(broken))
	return err == nil
}
