package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"chatterbox/failure"
	"chatterbox/job"
	"chatterbox/member"
)

// hiddenFlags are what the cluster command tells the processes of its members.
type hiddenFlags struct {
	FailureMap   text  `hidden:"" help:"Break this member's links as the failure map says."`
	FailureEpoch whole `hidden:"" help:"When the failure map began, in nanoseconds since 1970."`
	ReportFD     whole `hidden:"" name:"report-fd" max:"1000000" help:"File descriptor that gets the progress as JSON lines."`
	Trace        text  `hidden:"" help:"File that gets the trace of this member."`

	schedule *failure.Schedule
	epoch    time.Time
}

// bind reads the failure map.
func (f *hiddenFlags) bind(members member.List, wrong *mistakes) {
	now := time.Now()
	f.epoch = now.Add(time.Unix(0, int64(f.FailureEpoch.Value)).Sub(now.Round(0))) // on the monotonic clock
	if f.FailureMap.Value == "" || members == nil {
		return
	}
	events, err := readMap(f.FailureMap.Value)
	if err == nil {
		f.schedule, err = events.Bind(members)
	}
	if err != nil {
		wrong.addf("--failure-map %q: %v", f.FailureMap.Value, err)
	}
}

// impose gives how the links from a member fail at present; nil without a map.
func (f *hiddenFlags) impose(self member.ID) func(to member.ID) failure.Link {
	if f.schedule == nil {
		return nil
	}
	return func(to member.ID) failure.Link { return f.schedule.Link(self, to, time.Since(f.epoch)) }
}

// tick gives the tick of a member whose clock runs too fast or too slow when
// it starts.
func (f *hiddenFlags) tick(tick time.Duration, self member.ID) time.Duration {
	if f.schedule == nil {
		return tick
	}
	speed := 1.0
	for _, event := range f.schedule.Members() {
		if event.Member == self && event.Action == failure.Clock && event.At <= time.Since(f.epoch) {
			speed = event.Speed
		}
	}
	return time.Duration(float64(tick) / speed)
}

// reports gives what writes the progress for the parent; nil if there is none.
// A parent that is gone needs no member any more.
func (f *hiddenFlags) reports() func(job.Progress) {
	if f.ReportFD.Value == 0 {
		return nil
	}
	encoder := json.NewEncoder(os.NewFile(uintptr(f.ReportFD.Value), "reports"))
	return func(progress job.Progress) {
		if err := encoder.Encode(progress); err != nil {
			os.Exit(int(statusFailed))
		}
	}
}

// readMap reads a failure map: a file, or a shipped one by its name.
func readMap(name string) (failure.Map, error) {
	file, err := os.Open(name)
	if err == nil {
		defer file.Close() //nolint:errcheck // nothing was written
		return failure.Parse(file, name)
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

// printJSON writes a value as one line.
func printJSON(w io.Writer, value any) {
	line, err := json.Marshal(value)
	if err != nil {
		panic(err) // our own types
	}
	_, _ = w.Write(append(line, '\n'))
}
