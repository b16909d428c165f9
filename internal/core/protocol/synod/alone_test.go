package synod_test

import (
	"testing"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/mutant"
)

// TestWhoAcceptedToBeAloneGoesOnByForce: one of two accepted a view without the other
// one, which dies before it accepts that too: it goes on by force.
func TestWhoAcceptedToBeAloneGoesOnByForce(t *testing.T) {
	for name, restart := range map[string]bool{"runs": false, "restarts": true} {
		for _, asked := range []int{1} { // b has it go
			w := newWorld(1, 2, 0, mutant.None)
			w.forced = true
			for range 5 {
				w.round()
			}
			a, b := w.nodes[0], w.nodes[1]
			if err := w.nodes[asked].synod.Ask(member.Change{Kind: member.Evict, Identity: 1}); err != nil {
				t.Fatal(err)
			}
			w.step(w.nodes[asked])
			for range 20 {
				if r := b.record; r != nil && r.Vote.Accepted.Round > 0 {
					break
				}
				w.hand(a, b)
				if r := b.record; r != nil && r.Vote.Accepted.Round > 0 {
					break
				}
				w.hand(b, a)
			}
			if b.record == nil || b.record.View == nil || b.view.Number != 1 || a.view.Number != 1 {
				t.Fatalf("%s %d: b has %+v", name, asked, b.record)
			}
			t.Logf("a voted %+v, b accepted %v", a.record, b.record.View.Members())
			w.bury(a)
			if restart {
				w.crash(b)
				w.restart(b)
			}
			for range 20 {
				w.round()
			}
			err := b.synod.Ask(member.Change{Kind: member.Force, Survivors: []member.Identity{2}})
			for range 2000 {
				w.round()
			}
			if b.view.Number == 1 {
				t.Errorf("%s, asked %d: ask says %v, b goes by view %d after %v", name, asked, err, b.view.Number, w.now)
			}
		}
	}
}
