package trace_test

import (
	"testing"

	"chatterbox/internal/proof/trace"
)

// TestViewIsToldByItsEvents follows a member to two views; in the second one who
// was let go is a member again.
func TestViewIsToldByItsEvents(t *testing.T) {
	var v trace.View
	names := []string{"a", "b", "c"}
	for _, step := range []struct {
		event trace.Event
		about bool
		want  string
	}{
		{trace.Event{Kind: trace.Start}, false, "view 1: the members are a, b, c"},
		{trace.Event{Kind: trace.Install, Number: 2}, true, "view 2: the members are a, b, c"},
		{trace.Event{Kind: trace.Ends, Stream: 1}, true, "view 2: the members are a, c; b was evicted"},
		{trace.Event{Kind: trace.Deliver, Stream: 0}, false, "view 2: the members are a, c; b was evicted"},
		{trace.Event{Kind: trace.Install, Number: 3}, true, "view 3: the members are a, b, c"},
		{trace.Event{Kind: trace.Ends, Stream: 0}, true, "view 3: the members are b, c; a was evicted"},
		{trace.Event{Kind: trace.Ends, Stream: 2}, true, "view 3: the members are b; a, c were evicted"},
		{trace.Event{Kind: trace.Start}, false, "view 1: the members are a, b, c"},
	} {
		if about := v.Tell(&step.event); about != step.about || v.Words(names) != step.want {
			t.Errorf("after %v: %v, %q, want %v, %q", step.event.Kind, about, v.Words(names), step.about, step.want)
		}
	}
}
