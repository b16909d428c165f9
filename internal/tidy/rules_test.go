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
		{"upwards is found", Imports, "-- internal/core/clock/c.go --\npackage clock\nimport _ \"chatterbox/internal/core/protocol\"\n", []string{"internal/core/clock/c.go:2: internal/core/clock must not import internal/core/protocol"}},
		{"downwards is fine", Imports, "-- internal/core/member/m.go --\npackage member\nimport _ \"chatterbox/internal/core/clock\"\n", nil},
		{"sideways is found", Imports, "-- internal/core/protocol/delta/d.go --\npackage delta\nimport _ \"chatterbox/internal/core/protocol/lockstep\"\n", []string{"internal/core/protocol/delta/d.go:2"}},
		{"the root from the world is found", Imports, "-- internal/world/node/n.go --\npackage node\nimport _ \"chatterbox\"\n", []string{"internal/world/node/n.go:2: internal/world/node must not import ."}},
		{"a judge from the world is found", Imports, "-- internal/world/transport/t.go --\npackage transport\nimport _ \"chatterbox/internal/proof/failure\"\n", []string{"internal/world/transport/t.go:2"}},
		{"a judge from the root is found", Imports, "-- n.go --\npackage chatterbox\nimport _ \"chatterbox/internal/proof/trace\"\n", []string{"n.go:2"}},
		{"a package below a room shares its place", Imports, "-- internal/proof/sim/inner/s.go --\npackage inner\nimport _ \"chatterbox/internal/world/driver\"\n", nil},
		{"checks see traces only", Imports, "-- internal/proof/check/c.go --\npackage check\nimport _ \"chatterbox/internal/world/wire\"\n", []string{"internal/proof/check/c.go:2"}},
		{"checks may read traces", Imports, "-- internal/proof/check/c.go --\npackage check\nimport _ \"chatterbox/internal/proof/trace\"\n", nil},
		{"a folder without a room is found", Imports, "-- attic/a.go --\npackage attic\n", []string{"attic/a.go:1: package attic has no room"}},
		{"tests may import anything", Imports, "-- internal/core/clock/c_test.go --\npackage clock\nimport _ \"chatterbox/internal/proof/sim\"\n", nil},
		{"a dependency of the core is found", Dependencies, "-- internal/core/protocol/delta/d.go --\npackage delta\nimport _ \"example.org/x\"\n", []string{"internal/core/protocol/delta/d.go:2"}},
		{"a dependency of the command is fine", Dependencies, "-- cmd/chatterbox/m.go --\npackage main\nimport _ \"example.org/x\"\n", nil},
	})
}

func TestPurityRulesCanFail(t *testing.T) {
	inDelta := func(imports, body string) string {
		return "-- internal/core/protocol/delta/d.go --\npackage delta\nimport " + imports + "\nfunc f() {\n" + body + "\n}\n"
	}
	runRules(t, []ruleCase{
		{"the wall clock is found", Purity, inDelta(`"time"`, "_ = time.Now()"), []string{"internal/core/protocol/delta/d.go:4: time.Now"}},
		{"a duration is fine", Purity, inDelta(`"time"`, "_ = time.Second"), nil},
		{"a renamed package is found", Purity, inDelta(`clockwork "time"`, "clockwork.Sleep(1)"), []string{"internal/core/protocol/delta/d.go:4: clockwork.Sleep"}},
		{"a file is found", Purity, inDelta(`"os"`, `_, _ = os.Open("x")`), []string{"internal/core/protocol/delta/d.go:4: os.Open"}},
		{"a connection is found", Purity, inDelta(`"net"`, `_, _ = net.Dial("tcp", "x")`), []string{"internal/core/protocol/delta/d.go:4: net.Dial"}},
		{"an address as text is fine", Purity, inDelta(`"net"`, `_ = net.JoinHostPort("a", "1")`), nil},
		{"global chance is found", Purity, inDelta(`"math/rand/v2"`, "_ = rand.Int()"), []string{"internal/core/protocol/delta/d.go:4: rand.Int"}},
		{"chance that was given in is fine", Purity, inDelta(`"math/rand/v2"`, "_ = rand.New(rand.NewPCG(1, 2))"), nil},
		{"a log line is found", Purity, inDelta(`"log"`, `log.Print("x")`), []string{"internal/core/protocol/delta/d.go:4: log.Print"}},
		{"printing is found", Purity, inDelta(`"fmt"`, `fmt.Println("x")`), []string{"internal/core/protocol/delta/d.go:4: fmt.Println"}},
		{"a goroutine is found", Purity, inDelta(`"fmt"`, `go fmt.Sprint("x")`), []string{"internal/core/protocol/delta/d.go:4: starts a goroutine"}},
		{"a goroutine of the driver is found", Purity, "-- internal/world/driver/d.go --\npackage driver\nfunc f() { go f() }\n", []string{"internal/world/driver/d.go:2"}},
		{"the transport may do all that", Purity, "-- internal/world/transport/t.go --\npackage transport\nimport \"time\"\nfunc f() { go f(); _ = time.Now() }\n", nil},
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
		{"a result that is given is found", Godoc, "-- a/a.go --\npackage a\n// X gives\n// one.\nfunc X() int { return 1 }\n", []string{"a/a.go:4: write \"X returns\""}},
		{"a bool that says whether is found", Godoc, "-- a/a.go --\npackage a\n// x says whether it is so.\nfunc x() bool { return true }\n", []string{"a/a.go:3: write \"x reports whether\""}},
		{"an error that says what is found in an interface", Godoc, "-- a/a.go --\npackage a\ntype I interface{\n// Check says what is wrong.\nCheck() error\n}\n", []string{"a/a.go:4: write \"Check returns\""}},
		{"a result that is not there is found", Godoc, "-- a/a.go --\npackage a\n// X returns a book.\nfunc X() {}\n", []string{"a/a.go:3: X returns nothing"}},
		{"a loop that does not see its end is found", Endings, "-- a/a.go --\npackage a\nimport \"chatterbox\"\nfunc x(n *chatterbox.Node) {\nfor range n.Entries(nil, 0) {\n}\n}\n", []string{"a/a.go:4: range over Entries with two variables"}},
		{"one that does is fine", Endings, "-- a/a.go --\npackage a\nimport \"chatterbox\"\nfunc x(n *chatterbox.Node) {\nfor _, err := range n.Entries(nil, 0) {\n_ = err\n}\n}\n", nil},
		{"giving back is fine", Godoc, "-- a/a.go --\npackage a\n// Close gives back what is open.\nfunc Close() error { return nil }\n// X gives a book to a reader.\nfunc X() {}\n", nil},
		{"unfinished work is found", LeftOvers, "-- a/a.go --\npackage a\n// " + "to" + "do: more\n", []string{"a/a.go:2: unfinished"}},
		{"a word that contains one is fine", LeftOvers, "-- a/a.go --\npackage a\n// stubborn\n", nil},
		{"a vague package is found", Names, "-- util/a.go --\npackage util\n", []string{"util: "}},
		{"a word that is out of use is found", Words, "-- a/a.go --\npackage a\n// A deed.\nfunc doDeed(deeds int) { _ = deeds }\n", []string{"a/a.go:3: doDeed: say event", "a/a.go:3: deeds: say events"}},
		{"a word that holds one is fine", Words, "-- a/a.go --\npackage a\nfunc indeed() {}\n", nil},
		{"a noun is fine", Names, "-- internal/core/clock/a.go --\npackage clock\n", nil},
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
		{"21 fields are found", StateSizes, "-- internal/core/protocol/delta/a.go --\npackage delta\ntype state struct{ a [9]int; " + fields(20) + " int }\n", []string{"internal/core/protocol/delta/a.go:2: state has 21 fields"}},
		{"20 fields are fine", StateSizes, "-- internal/core/protocol/delta/a.go --\npackage delta\ntype state struct{ " + fields(20) + " int }\n", nil},
		{"what a reducer is made from may have more", StateSizes, "-- internal/core/protocol/delta/a.go --\npackage delta\ntype Config struct{ " + fields(21) + " int }\n", nil},
		{"31 names at the root are found", RootNames, names(31), []string{".: 31 public names"}},
		{"30 names at the root are fine", RootNames, names(30), nil},
	})
}

// fields returns a list of so many names of fields.
func fields(count int) string {
	names := make([]string, count)
	for i := range names {
		names[i] = fmt.Sprintf("f%d", i)
	}
	return strings.Join(names, ", ")
}

func TestStateRulesCanFail(t *testing.T) {
	runRules(t, []ruleCase{
		{"a variable is found", Variables, "-- a/a.go --\npackage a\nvar count int\n", []string{"a/a.go:2: package variable count"}},
		{"init is found", Variables, "-- a/a.go --\npackage a\nfunc init() {}\n", []string{"a/a.go:2: init"}},
		{"sentinel errors are fine", Variables, "-- a/a.go --\npackage a\nimport \"errors\"\nvar ErrClosed = errors.New(\"closed\")\n", nil},
		{"embedded files are fine", Variables, "-- a/a.go --\npackage a\nimport _ \"embed\"\n//go:embed a.txt\nvar text string\n", nil},
		{"interface checks are fine", Variables, "-- a/a.go --\npackage a\nvar _ error = (*T)(nil)\n", nil},
		{"a mutant in production is found", Mutants, "-- cmd/chatterbox/node.go --\npackage main\nimport \"chatterbox/internal/proof/mutant\"\n", []string{"cmd/chatterbox/node.go:2"}},
		{"a branch for a mutant is found", Mutants, "-- internal/core/protocol/delta/d.go --\npackage delta\nfunc f() bool { return isMutant }\n", []string{"internal/core/protocol/delta/d.go:2"}},
		{"a mutant in the simulator is fine", Mutants, "-- internal/proof/sim/s.go --\npackage sim\nimport \"chatterbox/internal/proof/mutant\"\n-- cmd/chatterbox/sim.go --\npackage main\nimport \"chatterbox/internal/proof/mutant\"\n", nil},
	})
}

func TestFaceRulesCanFail(t *testing.T) {
	node := "import \"chatterbox/internal/world/node\"\n"
	runRules(t, []ruleCase{
		{"an internal result is found", PublicTypes, "-- a.go --\npackage a\n" + node + "func F() *node.Node { return nil }\n", []string{"a.go:3: users see node.Node"}},
		{"an internal field is found", PublicTypes, "-- chatterboxtest/a.go --\npackage a\n" + node + "type T struct{ F func(node.Config) }\n", []string{"chatterboxtest/a.go:3: users see node.Config"}},
		{"an embedded one is found", PublicTypes, "-- a.go --\npackage a\n" + node + "type T struct{ *node.Node }\n", []string{"a.go:3"}},
		{"a renamed one is found", PublicTypes, "-- a.go --\npackage a\nimport inner \"chatterbox/internal/world/node\"\nvar V inner.Config\ntype T inner.Config\n", []string{"a.go:3", "a.go:4"}},
		{"what users do not see is fine", PublicTypes, "-- a.go --\npackage a\n" + node + "type T struct{ inner *node.Node }\ntype t struct{ F node.Config }\nfunc (t) M(node.Config) {}\nfunc f(node.Config) {}\n", nil},
		{"a body is fine", PublicTypes, "-- a.go --\npackage a\n" + node + "func F() { _ = node.Config{} }\n", nil},
		{"rooms inside may", PublicTypes, "-- internal/job/a.go --\npackage job\n" + node + "type T struct{ Node node.Config }\n", nil},
	})
}

func TestDocumentRulesCanFail(t *testing.T) {
	runRules(t, []ruleCase{
		{"a dead link is found", Links, "-- docs/a.md --\nsee [b](b.md)\n", []string{"docs/a.md:1: the link leads nowhere: b.md"}},
		{"a dead heading is found", Links, "-- a.md --\n# One\n[x](#two)\n", []string{"a.md:2"}},
		{"a live link is fine", Links, "-- docs/a.md --\n[b](../b.md#two-words) [c](https://example.org)\n-- b.md --\n## Two words!\n", nil},
		{"a link in a fence is text", Links, "-- a.md --\n```\n[x](y)\n```\n", nil},
		{"a source that is gone is found", Sources, "-- a.md --\nsee `driver/gone.go`\n", []string{"a.md:1: there is no file driver/gone.go"}},
		{"a source that is there is fine", Sources, "-- a.md --\nsee `a/a.go`\n-- a/a.go --\npackage a\n", nil},
		{"a room without a word is found", Rooms, "-- ARCHITECTURE.md --\n`internal/core/` says when\n-- internal/core/clock/c.go --\npackage clock\n-- internal/world/wire/w.go --\npackage wire\n", []string{"ARCHITECTURE.md: does not tell what internal/world/ is"}},
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

// isRule reports whether a function has the shape func Rule(t *Tree) []Finding.
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

func TestFiguresCountWhatThereIs(t *testing.T) {
	tree, err := Load(fstest.MapFS{
		"internal/core/protocol/delta/a.go": {Data: []byte(`package delta

// state is kept.
type state struct {
	a, b  time.Duration // two times
	c     []time.Duration
	d     clock.Time
	mutant bool
}

type Config struct{ a, b, c, d, e, f, g int }

const (
	one = 1
	two = 2
)

func f() {
}

func g() {
	f()
}
`)},
		"internal/core/protocol/delta/a_test.go":           {Data: []byte("package delta\n\nfunc mutant() {}\n")},
		"internal/proof/mutant/delta/x.patch":              {},
		"internal/proof/mutant/delta/rules/y.patch":        {},
		"internal/proof/mutant/lockstep/z.patch":           {},
		"internal/core/protocol/lockstep/other.go":         {Data: []byte("package lockstep\n")},
		"internal/core/protocol/delta/testdata/unread.txt": {},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Figures{Room: "delta", Lines: 23, Comments: 2, Functions: 2, Median: 2, P95: 2, Longest: 3, Fields: 5, Times: 3, Thresholds: 2, Mutants: 2, Branches: 1}
	got := FiguresOf(tree, "delta")
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if table := Table(got); !strings.Contains(table, "| stored times | 3 |") {
		t.Errorf("the table lacks a row:\n%s", table)
	}
}
