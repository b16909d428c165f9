package main

import (
	"math/rand/v2"
)

// runFlags are the flags of a run that node and cluster share.
type runFlags struct {
	SendFor  seconds      `default:"3" help:"Send phase. A bare number is seconds; 1500ms and 2m work as well."`
	WaitFor  seconds      `default:"1" help:"Grace phase after it: the tuple is printed before it ends."`
	WithSeed seed         `placeholder:"N" help:"Seed of all random numbers of the run; drawn at random if not given."`
	Tick     milliseconds `name:"tick-duration" default:"10" min:"1ms" max:"1s" help:"Tick. A bare number is milliseconds."`
	Protocol choice       `default:"delta" oneof:"delta,lockstep" help:"How members agree: delta or lockstep."`
	Batch    whole        `placeholder:"N" min:"1" max:"65536" help:"Entries a batch in lockstep; 1 if not given."`
	Rate     whole        `default:"0" max:"1000000000" help:"Own entries a second; 0 is as fast as can be drained."`
	Messages whole        `default:"0" help:"Stop sending after that many own entries; 0 is no limit."`
	Memory   whole        `name:"memory-max" default:"192" min:"8" max:"65536" help:"MiB of entries in memory, when peers do not take theirs; then sending waits."`
	DataDir  text         `placeholder:"DIR" help:"Folder of the durable log; a restart with the same folder continues."`
	Exact    bool         `help:"Print the score as an exact decimal."`
	JSON     bool         `name:"json" help:"Print one JSON object instead."`
	Verbose  bool         `short:"v" help:"Log what happens to stderr."`
}

// contradictions finds flags that do not fit together.
func (f *runFlags) contradictions(wrong *mistakes) {
	if f.Batch.Value > 0 && f.Protocol.Value == "delta" {
		wrong.addf("--batch %d is for --protocol lockstep only: delta chooses its batches itself", f.Batch.Value)
	}
}

// seed gives the seed of the run, and draws one if none was given.
func (f *runFlags) seed(console *console) uint64 {
	if f.WithSeed.Given {
		return f.WithSeed.Value
	}
	seed := rand.Uint64() >> 11 // every reader of JSON keeps 53 bits
	console.notef("seed=%d", seed)
	return seed
}
