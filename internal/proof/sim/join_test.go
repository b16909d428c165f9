package sim_test

import (
	"fmt"
	"testing"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/draw"
	"chatterbox/internal/proof/sim"
	"chatterbox/internal/proof/trace"
)

// joins are runs in which somebody joins a cluster, by how many founders it has.
func joins() map[string]string {
	return map[string]string{
		"2 at once":                        "500ms  c  join\n",
		"3 two at the same time":           "500ms  d  join\n500ms  e  join\n",
		"1 one after the other":            "500ms  b  join\n1500ms  c  join\n",
		"3 without one of the others":      "300ms  c <-> *  cut\n500ms  d  join\n3s  c <-> *  heal\n",
		"3 and one that was away all over": "300ms  c  pause\n500ms  d  join\n1500ms  a  evict b\n3s  c  resume\n",
		"3 and leaves":                     "500ms  d  join\n2500ms  a  evict d\n3500ms  d  return\n",
		"3 over one that hears nobody":     "300ms  * -> c  cut\n500ms  d  join\n3s  * -> c  heal\n",
		"3 with a crash of who joins":      "500ms  d  join\n560ms  d  crash\n900ms  d  restart\n",
		"3 with a crash of who is asked":   "500ms  d  join\n520ms  *  except d kill\n900ms  *  restart\n",
		"3 and all start again":            "500ms  d  join\n2s  *  crash\n2500ms  *  restart\n",
	}
}

func TestWhoJoinsWrites(t *testing.T) {
	for name, text := range joins() {
		for _, kind := range []string{"", "streams", "journal", "journal streams torn park=4096 segment=1024 history"} {
			if kind == "" || kind == "streams" {
				if name == "3 with a crash of who joins" || name == "3 with a crash of who is asked" || name == "3 and all start again" {
					continue // nothing is left of what they knew
				}
			}
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				founders := int(name[0] - '0')
				head := fmt.Sprintf("# run: protocol=delta members=%d seed=5 send=5s grace=60s changes batch=4 delay=1ms..4ms %s\n", founders, kind)
				watch := growing{founders: member.ID(founders), wrote: map[member.ID]int{}, read: map[member.ID]int{}}
				result := holds(t, name, head+text, &watch)
				for place := founders; place < len(result.Header.Members); place++ {
					if id := member.ID(place); watch.wrote[id] == 0 || watch.read[id] == 0 {
						t.Errorf("%s wrote %d batches, and the others delivered %d of them", member.Letter(id), watch.wrote[id], watch.read[id])
					}
				}
			})
		}
	}
}

// TestWhoObservesReadsAllAndIsWaitedForNowhere has somebody join to read only, which
// dies, is cut off, and is thrown away, and maybe is a member later.
func TestWhoObservesReadsAllAndIsWaitedForNowhere(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		writes bool
	}{
		"reads":               {"500ms d observe\n", false},
		"is thrown away":      {"500ms d observe\n1500ms d crash\n", false},
		"is cut off":          {"500ms d observe\n1s d <-> * cut\n3s d <-> * heal\n", false},
		"starts again":        {"500ms d observe\n1500ms d crash\n2500ms d restart\n", false},
		"while one is away":   {"500ms d observe\n1500ms c crash\n3500ms c restart\n", false},
		"becomes a member":    {"500ms d observe\n2s d join\n", true},
		"becomes one later":   {"500ms d observe\n1500ms d crash\n2s d join\n2500ms d restart\n", true},
		"two, and one writes": {"500ms d observe\n600ms e join\n", true},
	} {
		for _, kind := range []string{"", "streams journal", "journal streams torn park=4096 segment=1024 history"} {
			if kind == "" && name == "while one is away" {
				continue // it begins anew
			}
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				head := fmt.Sprintf("# run: protocol=delta members=3 seed=5 send=5s grace=60s changes batch=4 delay=1ms..4ms %s\n", kind)
				watch := growing{founders: 3, wrote: map[member.ID]int{}, read: map[member.ID]int{}}
				holds(t, name, head+c.text, &watch)
				if writes := len(watch.read) > 0; writes != c.writes {
					t.Errorf("who came writes: %v, want %v", writes, c.writes)
				}
				if !c.writes && len(watch.wrote) > 0 {
					t.Errorf("an observer wrote %v", watch.wrote)
				}
				if most := map[string]int{"reads": 1, "is cut off": 1, "starts again": 1}[name]; kind == "streams journal" && most > 0 && watch.resets > most {
					t.Errorf("who was there, or away for a moment, got %d snapshots in place of entries", watch.resets)
				}
				for founder := range member.ID(3) {
					if settled := watch.settled[founder]; settled != watch.all && name != "while one is away" { // that one reads again
						t.Errorf("of %d entries %d have settled at %s", watch.all, settled, member.Letter(founder))
					}
				}
			})
		}
	}
}

// growing counts what those write who have joined.
type growing struct {
	founders    member.ID
	wrote, read map[member.ID]int // by who wrote it; read at others
	all         uint64            // entries that were written
	settled     [3]uint64         // at the first ones
	resets      int               // snapshots that those got who came
}

func (g *growing) Tell(e *trace.Event) {
	switch {
	case e.Kind == trace.Append && e.Member == e.Stream:
		g.all += e.Count
	case e.Kind == trace.Reset && e.Note == trace.ResetPeer && e.Member >= g.founders:
		g.resets++
	case e.Kind == trace.Deliver && int(e.Member) < len(g.settled):
		g.settled[e.Member] += e.Count
	}
	switch {
	case e.Stream < g.founders:
	case e.Kind == trace.Append && e.Member == e.Stream:
		g.wrote[e.Stream]++
	case e.Kind == trace.Deliver && e.Member != e.Stream:
		g.read[e.Stream]++
	}
}

// TestRandomMembersJoin lets members come, go and fail as seeds draw it.
func TestRandomMembersJoin(t *testing.T) {
	seeds := uint64(draw.Of(12, 4))
	for founders := 1; founders <= 5; founders++ {
		t.Run(fmt.Sprint(founders), func(t *testing.T) {
			t.Parallel()
			runner, joined := sim.NewRunner(), 0
			for seed := range seeds {
				watch := growing{founders: member.ID(founders), wrote: map[member.ID]int{}, read: map[member.ID]int{}}
				result, err := runner.Run(sim.Config{Seed: seed, Members: founders, Changes: true, Sink: &watch})
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range result.Violations {
					t.Errorf("seed %d: %v", seed, v)
				}
				joined += len(watch.read)
			}
			if joined == 0 {
				t.Error("nobody who joined wrote anything that others delivered")
			}
		})
	}
}
