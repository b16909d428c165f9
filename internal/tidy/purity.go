package tidy

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
)

// pure lists the rooms that decide or describe: time, chance, network and disk
// reach them as arguments only, which is why a simulator can replay them.
func pure() []string {
	return []string{"internal/core", "internal/world/wire", "internal/world/fault", "internal/world/driver", "internal/proof/failure", "internal/proof/check", "internal/proof/sim"}
}

// ban says what of an imported package is out of bounds.
type ban struct {
	names  string // package paths, a regular expression
	spared string // names of that package which are fine all the same; "" none
	why    string
}

// bans are checked against whole names.
func bans() []ban {
	return []ban{
		{`os|os/.*|syscall|io/ioutil|golang.org/x/sys/.*`, ``, "the world stays outside"},
		{`net`, `JoinHostPort|SplitHostPort|ParseIP|IP`, "the network stays outside"},
		{`net/.*`, `Addr|AddrPort|ParseAddr|ParseAddrPort|ParsePrefix|Prefix`, "the network stays outside"},
		{`log|log/.*`, ``, "only the edges log"},
		{`crypto/rand`, ``, "chance is given in at construction"},
		{`math/rand|math/rand/v2`, `New.*|Rand|Source|PCG|ChaCha8|Zipf`, "chance is given in at construction"},
		{`time`, `Duration|Nanosecond|Microsecond|Millisecond|Second|Minute|Hour|ParseDuration|Time|Month|UTC|Unix`, "time is given in with each event"},
		{`fmt`, `Sprint.*|Errorf|Fprint.*|Append.*|Sscan.*|Stringer|State|Formatter`, "only the edges print"},
		{`runtime|runtime/.*`, ``, "the schedule must not be visible"},
	}
}

// excused lists what a single file of a pure room may reach for, and why.
func excused() map[string]string {
	return map[string]string{
		"internal/core/member/list.go os.Open": "the peers file has one reader for all commands",
	}
}

// Purity finds what reaches for the world in the pure rooms, and goroutines
// started in rooms that must have none.
func Purity(t *Tree) []Finding {
	var findings []Finding
	t.files(onlyCode, func(p *Package, f *File) {
		if within(p.Dir, pure()) {
			findings = append(findings, goStatements(t, f)...)
			findings = append(findings, reaches(t, f)...)
		}
	})
	return inOrder(findings)
}

func goStatements(t *Tree, f *File) []Finding {
	var findings []Finding
	ast.Inspect(f.Syntax, func(node ast.Node) bool {
		if statement, ok := node.(*ast.GoStmt); ok {
			findings = append(findings, t.at(statement, "starts a goroutine: this room has none"))
		}
		return true
	})
	return findings
}

// reaches finds the selectors of banned names.
func reaches(t *Tree, f *File) []Finding {
	var findings []Finding
	imported := importNames(f)
	ast.Inspect(f.Syntax, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		from, ok := selector.X.(*ast.Ident)
		if !ok {
			return true
		}
		b, banned := banOf(imported[from.Name], selector.Sel.Name)
		if _, fine := excused()[f.Path+" "+from.Name+"."+selector.Sel.Name]; banned && !fine {
			findings = append(findings, t.at(selector, "%s.%s is banned in a pure room: %s", from.Name, selector.Sel.Name, b.why))
		}
		return true
	})
	return findings
}

func banOf(importPath, name string) (ban, bool) {
	for _, b := range bans() {
		if whole(b.names, importPath) {
			return b, !whole(b.spared, name)
		}
	}
	return ban{}, false
}

// whole reports whether the pattern matches all of text; "" matches nothing.
func whole(pattern, text string) bool {
	return pattern != "" && regexp.MustCompile(`^(`+pattern+`)$`).MatchString(text)
}

// importNames returns the import path by the name that the file uses for it.
func importNames(f *File) map[string]string {
	names := map[string]string{}
	for _, spec := range f.Syntax.Imports {
		importPath := unquote(spec.Path.Value)
		name := path.Base(importPath)
		if versioned := strings.HasPrefix(name, "v") && strings.Trim(name[1:], "0123456789") == ""; versioned {
			name = path.Base(path.Dir(importPath))
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = importPath
	}
	return names
}

// Sleeps finds tests that wait for the clock instead of an event. Inside
// synctest.Test the clock is virtual and stands until all are idle, so there
// it is an event.
func Sleeps(t *Tree) []Finding {
	var findings []Finding
	t.files(onlyTests, func(_ *Package, f *File) {
		imported := importNames(f)
		var stack []ast.Node
		ast.Inspect(f.Syntax, func(node ast.Node) bool {
			if node == nil {
				stack = stack[:len(stack)-1]
				return true
			}
			if isCall(node, imported, "time", "Sleep") && !slices.ContainsFunc(stack, func(n ast.Node) bool {
				return isCall(n, imported, "testing/synctest", "Test")
			}) {
				findings = append(findings, t.at(node, "tests do not sleep: wait for the event itself"))
			}
			stack = append(stack, node)
			return true
		})
	})
	return inOrder(findings)
}

// isCall reports whether the node calls the named function of the package.
func isCall(node ast.Node, imported map[string]string, importPath, name string) bool {
	call, ok := node.(*ast.CallExpr)
	if !ok {
		return false
	}
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != name {
		return false
	}
	from, ok := selector.X.(*ast.Ident)
	return ok && imported[from.Name] == importPath
}
