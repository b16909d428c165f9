package tidy

import (
	"go/ast"
	"go/token"
	"path"
	"strings"
)

// Variables finds package variables and init functions: hidden inputs that a
// reader of a call cannot see. Sentinel errors, embedded files and checks that
// a type fits an interface are fine.
func Variables(t *Tree) []Finding {
	var findings []Finding
	t.files(onlyCode, func(_ *Package, f *File) {
		imported := importNames(f)
		for _, decl := range f.Syntax.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if decl.Recv == nil && decl.Name.Name == "init" {
					findings = append(findings, t.at(decl, "init hides what happens at start: give it in at construction"))
				}
			case *ast.GenDecl:
				findings = append(findings, variables(t, decl, imported)...)
			}
		}
	})
	return inOrder(findings)
}

func variables(t *Tree, decl *ast.GenDecl, imported map[string]string) []Finding {
	if decl.Tok != token.VAR {
		return nil
	}
	var findings []Finding
	for _, spec := range decl.Specs {
		value, ok := spec.(*ast.ValueSpec)
		if ok && !constantLike(value, imported) && !embedded(decl.Doc) && !embedded(value.Doc) {
			findings = append(findings, t.at(value, "package variable %s: give it in at construction", value.Names[0].Name))
		}
	}
	return findings
}

// constantLike reports whether all names are blank or sentinel errors.
func constantLike(spec *ast.ValueSpec, imported map[string]string) bool {
	for i, name := range spec.Names {
		if name.Name == "_" {
			continue
		}
		if i >= len(spec.Values) || !isError(spec.Values[i], imported) {
			return false
		}
	}
	return true
}

func isError(value ast.Expr, imported map[string]string) bool {
	return isCall(value, imported, "errors", "New") || isCall(value, imported, "fmt", "Errorf")
}

func embedded(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	for _, comment := range doc.List {
		if strings.HasPrefix(comment.Text, "//go:embed ") {
			return true
		}
	}
	return false
}

// Mutants finds production code that knows of deliberately broken protocols:
// they are patches, and only what judges and its command may name them.
func Mutants(t *Tree) []Finding {
	var findings []Finding
	t.files(onlyCode, func(p *Package, f *File) {
		if within(p.Dir, []string{"internal/proof", "internal/tidy"}) || strings.HasPrefix(path.Base(f.Path), "sim") && within(p.Dir, []string{"cmd"}) {
			return
		}
		for _, spec := range f.Syntax.Imports {
			if localDir(spec.Path.Value) == "internal/proof/mutant" {
				findings = append(findings, t.at(spec, "only the simulator and tests may make a mutant"))
			}
		}
		if !within(p.Dir, []string{"internal/core", "internal/world"}) {
			return
		}
		ast.Inspect(f.Syntax, func(node ast.Node) bool {
			if name, ok := node.(*ast.Ident); ok && strings.Contains(strings.ToLower(name.Name), "mutant") {
				findings = append(findings, t.at(name, "%s: a mutant is a patch in internal/proof/mutant, not a branch", name.Name))
			}
			return true
		})
	})
	return inOrder(findings)
}
