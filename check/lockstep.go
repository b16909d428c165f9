package check

import "chatterbox/trace"

// oneApart: a batch is delivered only when every member holds it.
func oneApart(c *court) rule {
	return func(e *trace.Event) {
		last := e.Seq + e.Count - 1
		for k := range c.past.members {
			if held := c.past.members[k].ever[e.Stream]; held < last {
				c.violated(e, "delivers %d/%d, of which member %d holds only %d entries", e.Stream, e.Seq, k, held)
			}
		}
	}
}
