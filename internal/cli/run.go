package cli

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/trace"
)

// RunFlags are the flags of a run that several commands share.
type RunFlags struct {
	SendFor  Seconds      `default:"3" help:"Send phase. A bare number is seconds; 1500ms and 2m work as well."`
	WaitFor  Seconds      `default:"1" help:"Grace phase after it: the tuple is printed before it ends."`
	WithSeed Seed         `placeholder:"N" help:"Seed of all random numbers of the run; drawn at random if not given."`
	Tick     Milliseconds `name:"tick-duration" default:"10" min:"1ms" max:"1s" help:"Tick. A bare number is milliseconds."`
	Protocol Choice       `default:"delta" oneof:"delta,lockstep" help:"How members agree: delta or lockstep."`
	Batch    Whole        `placeholder:"N" min:"1" max:"65536" help:"Entries a batch in lockstep; 1 if not given."`
	Rate     Whole        `default:"0" max:"1000000000" help:"Own entries a second; 0 is as fast as can be drained."`
	Messages Whole        `default:"0" help:"Stop sending after that many own entries; 0 is no limit."`
	Memory   Whole        `name:"memory-max" default:"192" min:"8" max:"65536" help:"MiB of entries in memory, when peers do not take theirs; then sending waits."`
	DataDir  Text         `placeholder:"DIR" help:"Folder of the durable log; a restart with the same folder continues."`
	Exact    bool         `help:"Print the score as an exact decimal."`
	JSON     bool         `name:"json" help:"Print one JSON object instead."`
	Verbose  bool         `short:"v" help:"Log what happens to stderr."`
}

// Contradictions finds flags that do not fit together.
func (f *RunFlags) Contradictions(wrong *Mistakes) {
	if f.Batch.Value > 0 && f.Protocol.Value == "delta" {
		wrong.Addf("--batch %d is for --protocol lockstep only: delta chooses its batches itself", f.Batch.Value)
	}
}

// Seed returns the seed of the run, and draws one if none was given.
func (f *RunFlags) Seed(console *Console) uint64 {
	if f.WithSeed.Given {
		return f.WithSeed.Value
	}
	seed := rand.Uint64() >> 11 // every reader of JSON keeps 53 bits
	console.Notef("seed=%d", seed)
	return seed
}

// Arguments writes the flags of a run for the processes of its members.
func (f *RunFlags) Arguments(seed uint64) []string {
	arguments := []string{
		"--send-for=" + f.SendFor.String(), "--wait-for=" + f.WaitFor.String(),
		"--tick-duration=" + f.Tick.String(), "--protocol=" + f.Protocol.Value,
		fmt.Sprintf("--with-seed=%d", seed),
		fmt.Sprintf("--rate=%d", f.Rate.Value), fmt.Sprintf("--messages=%d", f.Messages.Value),
		fmt.Sprintf("--memory-max=%d", f.Memory.Value),
	}
	if f.Batch.Value > 0 {
		arguments = append(arguments, fmt.Sprintf("--batch=%d", f.Batch.Value))
	}
	if f.Verbose {
		arguments = append(arguments, "--verbose")
	}
	return arguments
}

// Header returns what a run of the members is, in the first line of its trace.
func (f *RunFlags) Header(members member.List, seed uint64) trace.Header {
	header := trace.Header{
		Protocol: f.Protocol.Value, Seed: seed, Numbers: true,
		Journal: f.DataDir.Value != "", TickNs: f.Tick.Duration,
	}
	for _, m := range members {
		header.Members = append(header.Members, m.Name)
	}
	return header
}

// ReadFile reads a small text that a flag names, at most so many MiB: what is
// larger was not meant.
func ReadFile(name string, mib int64) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	data, err := io.ReadAll(io.LimitReader(file, mib<<20+1))
	if err == nil && int64(len(data)) > mib<<20 {
		err = fmt.Errorf("%s has more than %d MiB; is it the right file?", name, mib)
	}
	return data, err
}

// ReadMap reads the failure map of a run without changes: a file, or a shipped
// one by its name.
func ReadMap(name string) (failure.Map, error) {
	file, err := os.Open(name)
	if err == nil {
		defer file.Close() //nolint:errcheck // nothing was written
		m, err := failure.Parse(file, name)
		if err == nil {
			err = m.WithoutChanges()
		}
		return m, err
	}
	names := ""
	for _, shipment := range failure.Shipped() {
		if shipment.Name == name {
			return shipment.Map(), nil
		}
		names += "\n" + shipment.Name
	}
	return nil, fmt.Errorf("%w, and no shipped map has that name either: give a file, or one of%s", err, names)
}
