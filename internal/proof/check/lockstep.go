package check

import (
	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// oneApart: what is committed every member holds. A batch is committed by its
// successor, by the end of its stream, and at the latest when it is delivered;
// so committed sets differ by at most one batch of each origin.
func oneApart(c *checker) rule {
	return func(e *trace.Event) {
		switch {
		case e.Kind == trace.Deliver:
			c.judgeCommitted(e, e.Seq+e.Count-1, "delivers")
		case e.Kind == trace.Append && e.Seq > 1:
			c.judgeCommitted(e, e.Seq-1, "appends the successor of")
		case e.Kind == trace.Publish && e.Promise >= clock.Infinity && c.past.members[e.Stream].identities == 1:
			c.judgeCommitted(e, e.Have, "knows the end of the stream after")
		}
	}
}

func (c *checker) judgeCommitted(e *trace.Event, last uint64, verb string) {
	for k := range c.past.members {
		if held := c.past.members[k].ever[e.Stream]; held < last {
			c.violated(e, "%s %d/%d, of which member %d holds only %d entries", verb, e.Stream, last, member.ID(k), held)
		}
	}
}
