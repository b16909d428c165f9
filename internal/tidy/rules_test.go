package tidy

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// fixture is a small project in one text: "-- name --" begins a file.
func fixture(t *testing.T, text string) *Tree {
	t.Helper()
	fsys := fstest.MapFS{}
	for _, part := range strings.Split("\n"+text, "\n-- ")[1:] {
		name, body, ok := strings.Cut(part, " --\n")
		if !ok {
			t.Fatalf("a file needs a line '-- name --' above it: %q", part)
		}
		fsys[name] = &fstest.MapFile{Data: []byte(body)}
	}
	tree, err := Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// ruleCase is a fixture and the places that the rule must find in it; without
// any, the fixture keeps the rule.
type ruleCase struct {
	claim string
	rule  func(*Tree) []Finding
	files string
	want  []string // beginnings of findings
}

func runRules(t *testing.T, cases []ruleCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.claim, func(t *testing.T) {
			found := c.rule(fixture(t, c.files))
			matches := slices.EqualFunc(found, c.want, func(f Finding, want string) bool {
				return strings.HasPrefix(f.String(), want)
			})
			if !matches {
				t.Errorf("found %q, want what begins with %q", found, c.want)
			}
		})
	}
}

func TestImportRulesCanFail(t *testing.T) {
	runRules(t, []ruleCase{
		{"upwards is found", Imports, "-- clock/c.go --\npackage clock\nimport _ \"chatterbox/protocol\"\n", []string{"clock/c.go:2: clock must not import protocol"}},
		{"downwards is fine", Imports, "-- clock/c.go --\npackage clock\nimport _ \"chatterbox/member\"\n", nil},
		{"sideways is found", Imports, "-- protocol/delta/d.go --\npackage delta\nimport _ \"chatterbox/protocol/lockstep\"\n", []string{"protocol/delta/d.go:2"}},
		{"the root from the simulator is found", Imports, "-- sim/s.go --\npackage sim\nimport _ \"chatterbox\"\n", []string{"sim/s.go:2: sim must not import ."}},
		{"a package below a room shares its place", Imports, "-- sim/inner/s.go --\npackage inner\nimport _ \"chatterbox/replica\"\n", nil},
		{"checks see traces only", Imports, "-- check/c.go --\npackage check\nimport _ \"chatterbox/wire\"\n", []string{"check/c.go:2"}},
		{"checks may read traces", Imports, "-- check/c.go --\npackage check\nimport _ \"chatterbox/trace\"\n", nil},
		{"a folder without a room is found", Imports, "-- attic/a.go --\npackage attic\n", []string{"attic/a.go:1: package attic has no room"}},
		{"tests may import anything", Imports, "-- clock/c_test.go --\npackage clock\nimport _ \"chatterbox/sim\"\n", nil},
		{"a dependency of the core is found", Dependencies, "-- protocol/delta/d.go --\npackage delta\nimport _ \"example.org/x\"\n", []string{"protocol/delta/d.go:2"}},
		{"a dependency of the command is fine", Dependencies, "-- cmd/chatterbox/m.go --\npackage main\nimport _ \"example.org/x\"\n", nil},
	})
}

func TestPurityRulesCanFail(t *testing.T) {
	inDelta := func(imports, body string) string {
		return "-- protocol/delta/d.go --\npackage delta\nimport " + imports + "\nfunc f() {\n" + body + "\n}\n"
	}
	runRules(t, []ruleCase{
		{"the wall clock is found", Purity, inDelta(`"time"`, "_ = time.Now()"), []string{"protocol/delta/d.go:4: time.Now"}},
		{"a duration is fine", Purity, inDelta(`"time"`, "_ = time.Second"), nil},
		{"a renamed package is found", Purity, inDelta(`clockwork "time"`, "clockwork.Sleep(1)"), []string{"protocol/delta/d.go:4: clockwork.Sleep"}},
		{"a file is found", Purity, inDelta(`"os"`, `_, _ = os.Open("x")`), []string{"protocol/delta/d.go:4: os.Open"}},
		{"a connection is found", Purity, inDelta(`"net"`, `_, _ = net.Dial("tcp", "x")`), []string{"protocol/delta/d.go:4: net.Dial"}},
		{"an address as text is fine", Purity, inDelta(`"net"`, `_ = net.JoinHostPort("a", "1")`), nil},
		{"global chance is found", Purity, inDelta(`"math/rand/v2"`, "_ = rand.Int()"), []string{"protocol/delta/d.go:4: rand.Int"}},
		{"chance that was given in is fine", Purity, inDelta(`"math/rand/v2"`, "_ = rand.New(rand.NewPCG(1, 2))"), nil},
		{"a log line is found", Purity, inDelta(`"log"`, `log.Print("x")`), []string{"protocol/delta/d.go:4: log.Print"}},
		{"printing is found", Purity, inDelta(`"fmt"`, `fmt.Println("x")`), []string{"protocol/delta/d.go:4: fmt.Println"}},
		{"a goroutine is found", Purity, inDelta(`"fmt"`, `go fmt.Sprint("x")`), []string{"protocol/delta/d.go:4: starts a goroutine"}},
		{"a goroutine of the replica is found", Purity, "-- replica/r.go --\npackage replica\nfunc f() { go f() }\n", []string{"replica/r.go:2"}},
		{"the transport may do all that", Purity, "-- transport/t.go --\npackage transport\nimport \"time\"\nfunc f() { go f(); _ = time.Now() }\n", nil},
		{"a sleeping test is found", Sleeps, "-- a_test.go --\npackage a\nimport \"time\"\nfunc f() { time.Sleep(1) }\n", []string{"a_test.go:3"}},
		{"virtual time may pass", Sleeps, "-- a_test.go --\npackage a\nimport (\n\"testing/synctest\"\n\"time\"\n)\nfunc f() { synctest.Test(nil, func() { time.Sleep(1) }) }\n", nil},
	})
}

func TestCommentRulesCanFail(t *testing.T) {
	runRules(t, []ruleCase{
		{"a silent package is found", Comments, "-- a/a.go --\npackage a\n", []string{"a/a.go:1: package a has no comment"}},
		{"one file speaks for the package", Comments, "-- a/a.go --\n// Package a is one.\npackage a\n-- a/b.go --\npackage a\n", nil},
		{"silent names are found", Comments, "-- a/a.go --\n// Package a is one.\npackage a\nfunc F() {}\ntype T int\nfunc (t *T) M() {}\nconst C = 1\nfunc (t hidden) M() {}\n", []string{"a/a.go:3: F", "a/a.go:4: T", "a/a.go:5: T.M", "a/a.go:6: C"}},
		{"a group shares its comment", Comments, "-- a/a.go --\n// Package a is one.\npackage a\n// Kinds.\nconst (\nA = 1\nB = 2\n)\n", nil},
		{"tests need no comments", Comments, "-- a/a_test.go --\npackage a\nfunc TestX() {}\n", nil},
		{"unfinished work is found", LeftOvers, "-- a/a.go --\npackage a\n// " + "to" + "do: more\n", []string{"a/a.go:2: unfinished"}},
		{"a word that contains one is fine", LeftOvers, "-- a/a.go --\npackage a\n// stubborn\n", nil},
		{"a vague package is found", Names, "-- util/a.go --\npackage util\n", []string{"util: "}},
		{"a noun is fine", Names, "-- clock/a.go --\npackage clock\n", nil},
	})
}

func TestSizeRulesCanFail(t *testing.T) {
	function := func(name string, lines int) string {
		return "func " + name + "() {\n" + strings.Repeat("_ = 1\n", lines-2) + "}\n"
	}
	names := func(count int) string {
		text := "-- a.go --\npackage a\n"
		for i := range count {
			text += fmt.Sprintf("func F%d() {}\n", i)
		}
		return text
	}
	runRules(t, []ruleCase{
		{"500 lines are found", FileSizes, "-- a.go --\npackage a\n" + strings.Repeat("\n", 499), []string{"a.go: 500 lines"}},
		{"499 lines are fine", FileSizes, "-- a.go --\npackage a\n" + strings.Repeat("\n", 498), nil},
		{"71 lines are found", FuncSizes, "-- a.go --\npackage a\n" + function("f", 71), []string{"a.go:2: f has 71 lines"}},
		{"70 lines once are fine", FuncSizes, "-- a.go --\npackage a\n" + function("f", 70), nil},
		{"many of 51 lines are found", FuncSizes, "-- a.go --\npackage a\n" + function("f", 51) + function("g", 51), []string{"a.go:2: f", "a.go:53: g"}},
		{"many of 50 lines are fine", FuncSizes, "-- a.go --\npackage a\n" + function("f", 50) + function("g", 50), nil},
		{"41 names at the root are found", RootNames, names(41), []string{".: 41 public names"}},
		{"40 names at the root are fine", RootNames, names(40), nil},
	})
}

func TestStateRulesCanFail(t *testing.T) {
	runRules(t, []ruleCase{
		{"a variable is found", Variables, "-- a/a.go --\npackage a\nvar count int\n", []string{"a/a.go:2: package variable count"}},
		{"init is found", Variables, "-- a/a.go --\npackage a\nfunc init() {}\n", []string{"a/a.go:2: init"}},
		{"sentinel errors are fine", Variables, "-- a/a.go --\npackage a\nimport \"errors\"\nvar ErrClosed = errors.New(\"closed\")\n", nil},
		{"embedded files are fine", Variables, "-- a/a.go --\npackage a\nimport _ \"embed\"\n//go:embed a.txt\nvar text string\n", nil},
		{"interface checks are fine", Variables, "-- a/a.go --\npackage a\nvar _ error = (*T)(nil)\n", nil},
		{"a mutant in production is found", Mutants, "-- cmd/chatterbox/node.go --\npackage main\nfunc f() { delta.NewMutant() }\n", []string{"cmd/chatterbox/node.go:2"}},
		{"a mutant in the simulator is fine", Mutants, "-- sim/s.go --\npackage sim\nfunc f() { delta.NewMutant() }\n-- cmd/chatterbox/sim.go --\npackage main\nfunc f() { delta.NewMutant() }\n", nil},
	})
}

func TestDocumentRulesCanFail(t *testing.T) {
	runRules(t, []ruleCase{
		{"a dead link is found", Links, "-- docs/a.md --\nsee [b](b.md)\n", []string{"docs/a.md:1: the link leads nowhere: b.md"}},
		{"a dead heading is found", Links, "-- a.md --\n# One\n[x](#two)\n", []string{"a.md:2"}},
		{"a live link is fine", Links, "-- docs/a.md --\n[b](../b.md#two-words) [c](https://example.org)\n-- b.md --\n## Two words!\n", nil},
		{"a link in a fence is text", Links, "-- a.md --\n```\n[x](y)\n```\n", nil},
		{"a source that is gone is found", Sources, "-- a.md --\nsee `replica/gone.go`\n", []string{"a.md:1: there is no file replica/gone.go"}},
		{"a source that is there is fine", Sources, "-- a.md --\nsee `a/a.go`\n-- a/a.go --\npackage a\n", nil},
		{"a room without a word is found", Rooms, "-- ARCHITECTURE.md --\n`clock/` says when\n-- clock/c.go --\npackage clock\n-- wire/w.go --\npackage wire\n", []string{"ARCHITECTURE.md: does not tell what wire/ is"}},
	})
}

// A rule that is not run, or that no fixture breaks, is no rule.
func TestEveryRuleIsRunAndCanFail(t *testing.T) {
	var rules []string
	mentions := map[string]string{}
	for _, f := range fixtureOfSelf(t).Files {
		if f.Test() {
			mentions[f.Path] = string(f.Source)
			continue
		}
		for _, decl := range f.Syntax.Decls {
			if function, ok := decl.(*ast.FuncDecl); ok && isRule(function) {
				rules = append(rules, function.Name.Name)
			}
		}
	}
	if len(rules) == 0 || len(mentions) == 0 {
		t.Fatalf("found %d rules and %d test files", len(rules), len(mentions))
	}
	for _, rule := range rules {
		for file, source := range mentions {
			if !strings.Contains(source, ", "+rule+")") && !strings.Contains(source, ", "+rule+", ") {
				t.Errorf("rule %s is missing in %s", rule, file)
			}
		}
	}
}

func fixtureOfSelf(t *testing.T) *Package {
	t.Helper()
	return project(t).folder("internal/tidy")
}

// isRule says whether a function has the shape func Rule(t *Tree) []Finding.
func isRule(function *ast.FuncDecl) bool {
	results := function.Type.Results
	if function.Recv != nil || !function.Name.IsExported() || results == nil || len(results.List) != 1 {
		return false
	}
	slice, ok := results.List[0].Type.(*ast.ArrayType)
	if !ok {
		return false
	}
	name, ok := slice.Elt.(*ast.Ident)
	return ok && name.Name == "Finding"
}

func TestLoadRefusesWhatDoesNotParse(t *testing.T) {
	_, err := Load(fstest.MapFS{"a.go": {Data: []byte("package")}})
	if err == nil {
		t.Fatal("a broken file was taken")
	}
}
