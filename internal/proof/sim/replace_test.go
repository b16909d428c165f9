package sim_test

import (
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// replacements are runs in which c loses its data, and is seated anew in its own stead.
// It goes on with the stream of its place: each number stands for one entry of it, so all
// checks together say that nothing is there twice, and that positions never change.
func replacements() map[string]string {
	const loses = "1s c crash losing data\n1300ms c restart\n"
	return map[string]string{
		"evicted first":             "1s c crash losing data\n1100ms a evict c\n1800ms c restart\n",
		"evicted when it is back":   loses + "2s a evict c\n",
		"twice":                     loses + "1800ms a evict c\n3s c crash losing data\n3300ms b evict c\n3500ms c restart\n",
		"again before it is done":   loses + "1800ms a evict c\n1900ms c crash losing data\n2200ms c restart\n2500ms a evict c\n",
		"after a restart":           loses + "1800ms a evict c\n2300ms c kill\n2600ms c restart\n",
		"who wrote alone before":    "700ms c <-> * cut\n1s c crash losing data\n1200ms a evict c\n1500ms c <-> * heal\n1600ms c restart\n",
		"while another one is away": loses + "1500ms d pause\n1800ms a evict c\n2300ms d resume\n",
		"and evicted again":         loses + "1800ms a evict c\n3s b evict c\n3400ms c return\n",
		"seen only through another": loses + "1500ms c <-> a cut\n1500ms c <-> d cut\n1800ms a evict c\n",
		"and others come and go":    loses + "1800ms a evict c\n2500ms d kill\n2600ms b evict d\n3s d restart\n3500ms d return\n",
		"two after the other":       loses + "1800ms a evict c\n3s d crash losing data\n3300ms b evict d\n3500ms d restart\n",
	}
}

func TestWhoLostItsDataIsReplaced(t *testing.T) {
	for name, text := range replacements() {
		for _, kind := range []string{"", "journal", "journal torn park=4096 segment=1024 history"} {
			t.Run(name+" "+kind, func(t *testing.T) {
				if kind == "" && (name == "after a restart" || name == "and others come and go") {
					t.Skip("without a journal every end loses all")
				}
				t.Parallel()
				head := "# run: protocol=delta members=4 seed=5 send=5s grace=60s changes rates=60,20,60,20 batch=4 delay=1ms..4ms " + kind + "\n"
				watch := replacing{pens: map[member.Identity]int{}}
				holds(t, name, head+text, &watch)
				if watch.opened == 0 || watch.pens[watch.pen] == 0 || watch.settled == 0 {
					t.Errorf("c was replaced %d times, and wrote %d batches since, of which %d settled at a", watch.opened, watch.pens[watch.pen], watch.settled)
				}
			})
		}
	}
}

// replacing counts how often the stream of c goes on, and what is written then.
type replacing struct {
	opened  int
	pen     member.Identity         // the last one
	pens    map[member.Identity]int // batches that c wrote
	settled int                     // of the last pen
	at      time.Duration
}

func (r *replacing) Tell(e *trace.Event) {
	switch {
	case e.Stream != 2:
	case e.Kind == trace.Opens && e.Member == 2 && e.Number > 0 && e.Identity != r.pen:
		r.opened, r.pen, r.at, r.settled = r.opened+1, e.Identity, e.At, 0
	case e.Kind == trace.Append && e.Member == 2:
		r.pens[e.Identity]++
	case e.Kind == trace.Deliver && e.Member == 0 && e.Identity == r.pen:
		r.settled++
	}
}

// TestFolderThatWasReplacedTurnsUpAgain: c lost its data, and another life has its place by
// then. Whoever is started with the old folder adds nothing to the order, and stops or reads;
// thrown away again it has the place anew.
func TestFolderThatWasReplacedTurnsUpAgain(t *testing.T) {
	const replaced = "2s c crash losing data\n2300ms c restart\n2500ms a evict c\n"
	for name, text := range map[string]string{
		"and stays":                   replaced + "5s c crash restoring data of 3500ms ago\n5200ms c restart\n",
		"and is started again":        replaced + "5s c crash restoring data of 3500ms ago\n5200ms c restart\n6s c kill\n6500ms c restart\n",
		"and is thrown away":          replaced + "5s c crash restoring data of 3500ms ago\n5200ms c restart\n6s c crash losing data\n6500ms a evict c\n7s c restart\n",
		"before the others know":      replaced + "2660ms c crash restoring data of 800ms ago\n2661ms c restart\n4s c crash losing data\n4500ms a evict c\n5s c restart\n",
		"and asks to come back":       replaced + "5s c crash restoring data of 3500ms ago\n5200ms c restart\n5500ms every 500ms until 8s c return\n",
		"and hears only one":          replaced + "5s c crash restoring data of 3500ms ago\n5s c <-> a,d cut\n5200ms c restart\n6500ms c <-> a,d heal\n",
		"when another one had left":   replaced + "4s d leave\n5s c crash restoring data of 3500ms ago\n5200ms c restart\n",
		"and the new one was let go":  replaced + "4s b evict c\n5s c crash restoring data of 3500ms ago\n5200ms c restart\n5500ms c return\n",
		"of one who wrote alone then": "1s c <-> * cut\n" + replaced + "2400ms c <-> * heal\n5s c crash restoring data of 3500ms ago\n5200ms c restart\n",
	} {
		for _, kind := range []string{"journal", "journal torn park=4096 segment=1024 history"} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				head := "# run: protocol=delta members=4 seed=5 send=9s grace=60s changes rates=60,20,60,20 batch=4 delay=1ms..4ms " + kind + "\n"
				watch := usurping{}
				holds(t, name, head+text, &watch)
				if watch.opened == 0 || watch.restored == 0 || watch.mixed > 0 {
					t.Errorf("c was replaced %d times, and its old folder started %d times; afterwards %d batches of the old life settled under new numbers", watch.opened, watch.restored, watch.mixed)
				}
			})
		}
	}
}

// usurping counts what the first life of c adds after another one had its place.
type usurping struct {
	first            member.Identity // of c
	end              uint64          // its entries when another one had its place
	opened, restored int
	mixed            int
}

// Tell implements trace.Sink.
func (u *usurping) Tell(e *trace.Event) {
	switch {
	case e.Kind == trace.Start && e.Member == 2 && u.first == 0:
		u.first = e.Identity
	case e.Kind == trace.Start && e.Member == 2 && u.opened > 0 && e.Identity == u.first:
		u.restored++
	case e.Stream != 2:
	case e.Kind == trace.Opens && e.Member == 0 && e.Identity != u.first:
		u.opened++
		u.end = e.Have
	case e.Kind == trace.Deliver && e.Member == 0 && u.opened > 0 && e.Identity == u.first && e.Seq > u.end:
		u.mixed++
	}
}
