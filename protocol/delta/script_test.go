package delta_test

import (
	"strconv"
	"testing"
	"time"

	"chatterbox/protocol"
	"chatterbox/protocol/delta"
	"chatterbox/protocol/mutant"
	"chatterbox/protocol/script"
)

func build(m script.Member) protocol.Reducer {
	number := func(key string) int {
		n, _ := strconv.Atoi(m.Options[key])
		return n
	}
	drain, _ := time.ParseDuration(m.Options["drain"])
	_, keepAll := m.Options["keepall"]
	return delta.NewMutant(delta.Config{
		Self: m.ID, Members: m.Members, Identity: m.Identity, Life: m.Life, Tick: m.Tick,
		Durable: m.Durable, Recovered: m.Recovered, Fold: script.Fold, Datagram: m.Datagram,
		WindowBytesMax: number("window"), MessageBytesMax: number("message"), MemoryBytesMax: number("memory"),
		AheadBytesMax: number("ahead"), DrainFor: drain, KeepAll: keepAll,
	}, mutant.Mutant(m.Options["mutant"]))
}

func TestScripts(t *testing.T) { script.Run(t, "testdata", build) }
