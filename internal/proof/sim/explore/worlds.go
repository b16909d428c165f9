package explore

import "chatterbox/internal/proof/mutant"

// Worlds returns the worlds of a protocol that are searched to the end at each
// change. Each has room for one kind of trouble; together they have more than
// a million situations.
func Worlds(protocol string) []Config {
	worlds := []Config{
		{
			Name: "strangers", Members: 2,
			Bounds: Bounds{Submits: [...]int{1, 1, 0}, Ticks: 2, Drops: 1, InFlight: 1},
		},
		{
			Name: "acquainted", Members: 2, Acquainted: true,
			Bounds: Bounds{Submits: [...]int{2, 1, 0}, Ticks: 1, Drops: 1, Repeats: 1, InFlight: 2},
		},
		{
			Name: "ending", Members: 2, Acquainted: true,
			Bounds: Bounds{Submits: [...]int{1, 1, 0}, Close: true, Ticks: 1, Drops: 1, Repeats: 1, InFlight: 2},
		},
		{
			Name: "pausing", Members: 2, Acquainted: true,
			Bounds: Bounds{Submits: [...]int{1, 1, 0}, Ticks: 1, Leaps: 1, Drops: 1, InFlight: 1},
		},
		{
			Name: "restarting", Members: 2, Acquainted: true, Durable: true,
			Bounds: Bounds{Submits: [...]int{1, 1, 0}, Ticks: 2, Crashes: 1, InFlight: 1},
		},
		{
			Name: "forgetting", Members: 2, Acquainted: true,
			Bounds: Bounds{Submits: [...]int{2, 1, 0}, Ticks: 1, Losses: 1, Drops: 1, InFlight: 1},
		},
		{
			Name: "strangers-forgetting", Members: 2,
			Bounds: Bounds{Submits: [...]int{1, 1, 0}, Ticks: 2, Losses: 1, InFlight: 1},
		},
		{
			Name: "three", Members: 3, Acquainted: true,
			Bounds: Bounds{Submits: [...]int{1, 0, 0}, Ticks: 1, Drops: 1, InFlight: 1},
		},
		{
			Name: "one-way", Members: 3, Acquainted: true, Dead: []Link{{0, 1}},
			Bounds: Bounds{Submits: [...]int{1, 0, 0}, Ticks: 2, InFlight: 1},
		},
		{
			Name: "ring", Members: 3, Acquainted: true, Dead: []Link{{0, 1}, {1, 2}, {2, 0}},
			Bounds: Bounds{Submits: [...]int{1, 1, 0}, Ticks: 2, Drops: 1, InFlight: 1},
		},
		{
			Name: "connections", Members: 2, Acquainted: true, Streams: true,
			Bounds: Bounds{Submits: [...]int{1, 1, 0}, Close: true, Ticks: 1, Breaks: 1, InFlight: 4},
		},
		{
			Name: "connections-restarting", Members: 2, Acquainted: true, Streams: true, Durable: true,
			Bounds: Bounds{Submits: [...]int{1, 1, 0}, Ticks: 2, Crashes: 1, InFlight: 4},
		},
	}
	if protocol == Delta {
		worlds = append(worlds, evictions()...)
		worlds = append(worlds, comings()...)
	}
	return finish(protocol, worlds)
}

// evictions returns the worlds in which members are let go: c, which hears b alone
// and is heard by a alone, and by two requests at once c and b.
func evictions() []Config {
	return []Config{
		{
			Name: "evicting-unheard", Members: 3, Acquainted: true, Changes: true, Dead: []Link{{2, 1}, {0, 2}},
			Bounds: Bounds{Submits: [...]int{1, 0, 1}, InFlight: 1, Evicts: []Link{{1, 2}}},
		},
		{
			Name: "evicting-durable", Members: 3, Acquainted: true, Changes: true, Durable: true, Dead: []Link{{2, 1}, {0, 2}},
			Bounds: Bounds{Submits: [...]int{0, 0, 1}, Crashes: 1, InFlight: 1, Evicts: []Link{{1, 2}}},
		},
		{
			Name: "evicting-both", Members: 3, Acquainted: true, Changes: true, Dead: []Link{{2, 1}, {0, 2}},
			Bounds: Bounds{Submits: [...]int{0, 0, 1}, InFlight: 1, Evicts: []Link{{1, 2}, {0, 1}}},
		},
	}
}

// comings returns the worlds in which one comes back that was let go, and in which one
// has joined, whom the two founders hear and who do not hear each other any more.
func comings() []Config {
	return []Config{
		{
			Name: "returning", Members: 2, Acquainted: true, Changes: true, Durable: true, Evicted: true,
			Bounds: Bounds{Submits: [...]int{1, 2, 0}, Ticks: 2, Crashes: 1, Returns: 1, InFlight: 1},
		},
		{
			Name: "joining", Members: 3, Acquainted: true, Changes: true, Joined: true, Dead: []Link{{0, 1}, {1, 0}},
			Bounds: Bounds{Submits: [...]int{0, 1, 0}, Ticks: 1, Drops: 1, InFlight: 1},
		},
	}
}

// LargeWorlds returns the worlds for a long search outside of CI: more of the
// same trouble, with more than ten million situations together.
func LargeWorlds(protocol string) []Config {
	worlds := []Config{
		{
			Name: "strangers-longer", Members: 2,
			Bounds: Bounds{Submits: [...]int{1, 1, 0}, Ticks: 2, Drops: 1, Repeats: 1, InFlight: 2},
		},
		{
			Name: "restarting-twice", Members: 2, Acquainted: true, Durable: true,
			Bounds: Bounds{Submits: [...]int{2, 1, 0}, Ticks: 1, Crashes: 2, InFlight: 1},
		},
		{
			Name: "three-two-batches", Members: 3, Acquainted: true, StatesMax: 10_000_000,
			Bounds: Bounds{Submits: [...]int{1, 1, 0}, Ticks: 1, InFlight: 1},
		},
		{
			Name: "three-restarting", Members: 3, Acquainted: true, Durable: true,
			Bounds: Bounds{Submits: [...]int{1, 0, 0}, Ticks: 1, Crashes: 1, InFlight: 1},
		},
		{
			Name: "three-forgetting", Members: 3, Acquainted: true,
			Bounds: Bounds{Submits: [...]int{1, 0, 0}, Ticks: 1, Losses: 1, InFlight: 1},
		},
		{
			Name: "three-strangers", Members: 3, StatesMax: 5_000_000,
			Bounds: Bounds{Submits: [...]int{1, 0, 0}, Ticks: 2, InFlight: 1},
		},
		{
			Name: "one-way-two-batches", Members: 3, Acquainted: true, Dead: []Link{{0, 1}},
			Bounds: Bounds{Submits: [...]int{1, 1, 0}, Ticks: 1, Drops: 1, InFlight: 1},
		},
		{
			Name: "connections-three", Members: 3, Acquainted: true, Streams: true,
			Bounds: Bounds{Submits: [...]int{1, 0, 0}, Ticks: 1, Breaks: 1, InFlight: 2},
		},
	}
	if protocol == Delta {
		worlds = append(worlds, Config{
			Name: "evicting", Members: 3, Acquainted: true, Changes: true, StatesMax: 5_000_000,
			Bounds: Bounds{Submits: [...]int{0, 0, 1}, InFlight: 1, Evicts: []Link{{1, 2}}},
		})
	}
	return finish(protocol, worlds)
}

// settleOneIn lets everything settle from one situation in so many: that costs
// some hundred times as much as to reach one.
const settleOneIn = 64

func finish(protocol string, worlds []Config) []Config {
	for i := range worlds {
		worlds[i].Protocol, worlds[i].SettleOneIn = protocol, settleOneIn
	}
	return worlds
}

// Hunt looks for a mutant in the worlds of a protocol, one after the other,
// and lets everything settle more often, for some mutants break only that. It
// gives the first world that shows the mutant, with the result, and false if
// none does.
func Hunt(protocol string, broken mutant.Mutant, spread func(int, func(int))) (Config, Result, bool) {
	for _, c := range Worlds(protocol) {
		c.Mutant, c.Spread, c.SettleOneIn, c.StatesMax = broken, spread, huntSettleOneIn, huntStatesMax
		if result, err := Run(c); err == nil && result.Fault != nil {
			return c, result, true
		}
	}
	return Config{}, Result{}, false
}

const (
	huntSettleOneIn = 16
	huntStatesMax   = 20_000
)
