package tidy

import (
	"slices"
	"strconv"
	"strings"
)

// module is the import path of the root.
const module = "chatterbox"

// order lists the rooms, one storey a line: a room may import the rooms of the
// storeys above it, and none of its own. "." is the root. The last storey is
// for tests: nobody below can import it. The folders below internal are the
// floors: core decides, world acts and is surprised, the root is its face, proof
// judges; job, serve and show are built on them.
const order = `
internal/core/text
internal/core/clock
internal/core/member
internal/core/protocol
internal/core/protocol/synod
internal/core/protocol/roster
internal/core/protocol/lockstep internal/core/protocol/delta
internal/world/wire internal/world/fault internal/world/gate
internal/world/driver internal/world/history internal/world/journal internal/world/transport internal/world/keys
internal/world/node
.
internal/proof/trace internal/proof/failure internal/proof/mutant internal/proof/state
internal/proof/workload internal/proof/check
internal/proof/cost
internal/proof/sim internal/job/maelstrom internal/term
internal/job internal/job/runs internal/show internal/serve
internal/job/cluster internal/backup chatterboxtest
internal/job/bench internal/show/board internal/show/outlook
internal/cli
cmd bench
test examples internal/proof/script internal/proof/draw
`

// narrow lists rooms that may import less than their storey allows: checks and
// pictures see a run only through its trace, so that they judge simulated and
// real clusters alike. What serves a member is a user of it like any other, behind a gate of its own. What keeps house knows nothing of the house.
func narrow() map[string][]string {
	return map[string][]string{
		"internal/proof/check": {"internal/core/member", "internal/core/clock", "internal/core/protocol", "internal/proof/trace"},
		"internal/show":        {"internal/core/member", "internal/core/clock", "internal/proof/trace", "internal/proof/failure", "internal/proof/check"},
		"internal/serve":       {".", "internal/world/gate"},
		"internal":             {},
	}
}

// dependencyFree lists the rooms that import the standard library only, but for
// the scripts that test them.
func dependencyFree() []string {
	return []string{"internal/core", "internal/world/driver", "internal/proof/check", "internal/proof/sim"}
}

// Imports finds imports that point upwards or sideways.
func Imports(t *Tree) []Finding {
	var findings []Finding
	storeys := storeysOf(order)
	t.files(onlyCode, func(p *Package, f *File) {
		from, ok := roomOf(p.Dir, storeys)
		if !ok {
			findings = append(findings, t.at(f.Syntax.Name, "package %s has no room: give %s a place in internal/tidy/imports.go", p.Name(), p.Dir))
			return
		}
		for _, spec := range f.Syntax.Imports {
			to, ok := roomOf(localDir(spec.Path.Value), storeys)
			if ok && !allowed(from, to, storeys) {
				findings = append(findings, t.at(spec, "%s must not import %s: imports point from the outer rooms to the inner ones", p.Dir, localDir(spec.Path.Value)))
			}
		}
	})
	return inOrder(findings)
}

// Dependencies finds imports of other people's modules where only the standard
// library may be used.
func Dependencies(t *Tree) []Finding {
	var findings []Finding
	t.files(onlyCode, func(p *Package, f *File) {
		if !within(p.Dir, dependencyFree()) {
			return
		}
		for _, spec := range f.Syntax.Imports {
			first, _, _ := strings.Cut(unquote(spec.Path.Value), "/")
			if strings.Contains(first, ".") {
				findings = append(findings, t.at(spec, "%s must stay free of dependencies", p.Dir))
			}
		}
	})
	return inOrder(findings)
}

// storeysOf returns the storey of each room, from 0.
func storeysOf(order string) map[string]int {
	storeys := map[string]int{"internal": -1}
	for i, line := range strings.Split(strings.TrimSpace(order), "\n") {
		for _, room := range strings.Fields(line) {
			storeys[room] = i
		}
	}
	return storeys
}

func allowed(from, to string, storeys map[string]int) bool {
	if from == to {
		return true
	}
	if rooms, ok := narrow()[from]; ok {
		return slices.Contains(rooms, to)
	}
	return storeys[to] < storeys[from]
}

// roomOf returns the innermost room that dir lies in.
func roomOf(dir string, storeys map[string]int) (string, bool) {
	for room := dir; room != ""; room = parent(room) {
		if _, ok := storeys[room]; ok {
			return room, true
		}
	}
	return "", false
}

// parent cuts the last element off; the parent of a top folder is "".
func parent(dir string) string {
	cut := strings.LastIndexByte(dir, '/')
	return dir[:max(cut, 0)]
}

// localDir returns the folder of an imported package of this module, or "".
func localDir(quoted string) string {
	name := unquote(quoted)
	if name == module {
		return "."
	}
	dir, ok := strings.CutPrefix(name, module+"/")
	if !ok {
		return ""
	}
	return dir
}

// within reports whether dir is one of the rooms or lies below one.
func within(dir string, rooms []string) bool {
	return slices.ContainsFunc(rooms, func(room string) bool {
		return dir == room || strings.HasPrefix(dir, room+"/")
	})
}

// unquote strips the quotes of a string that the parser has accepted.
func unquote(quoted string) string {
	text, err := strconv.Unquote(quoted)
	if err != nil {
		panic("tidy: the parser let a bad string pass: " + quoted)
	}
	return text
}
