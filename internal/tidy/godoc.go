package tidy

import (
	"go/ast"
	"regexp"
	"slices"
	"strings"
)

// Godoc finds functions whose comment does not say in the words of godoc what they
// return: "Name returns ...", and "Name reports whether ..." for a bool. It also
// finds those that claim to return something and do not.
func Godoc(t *Tree) []Finding {
	var findings []Finding
	t.files(everyFile, func(_ *Package, f *File) {
		ast.Inspect(f.Syntax, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.FuncDecl:
				findings = append(findings, t.godoc(node.Name, node.Doc, node.Type)...)
			case *ast.Field: // a method of an interface
				if method, ok := node.Type.(*ast.FuncType); ok && node.Doc != nil && len(node.Names) == 1 {
					findings = append(findings, t.godoc(node.Names[0], node.Doc, method)...)
				}
			}
			return true
		})
	})
	return inOrder(findings)
}

func (t *Tree) godoc(name *ast.Ident, doc *ast.CommentGroup, signature *ast.FuncType) []Finding {
	rest, ok := strings.CutPrefix(strings.Join(strings.Fields(doc.Text()), " "), name.Name+" ")
	if !ok {
		return nil
	}
	verb, object, _ := strings.Cut(rest, " ")
	results := resultTypes(signature)
	value := len(results) > 0 && (len(results) > 1 || results[0] != "error")
	said := regexp.MustCompile(`^(that|whether|what|which|who|why|how|where|when|if|in words|all)\b`).MatchString(object)
	switch {
	case (verb == "returns" || verb == "reports") && len(results) == 0:
		return []Finding{t.at(name, "%s %s nothing: say what it does", name.Name, verb)}
	case verb == "says" && said && len(results) == 1 && results[0] == "bool":
		return []Finding{t.at(name, "write %q", name.Name+" reports whether")}
	case verb == "says" && said && len(results) > 0, verb == "gives" && value && !givesAway(object):
		return []Finding{t.at(name, "write %q", name.Name+" returns")}
	}
	return nil
}

// givesAway reports whether what is given is not a result: it goes back to where
// it came from.
func givesAway(object string) bool {
	return regexp.MustCompile(`^(back|up) | (back|up)( |\.|$)`).MatchString(object)
}

// resultTypes returns the types of results as they are written, as far as they
// are names.
func resultTypes(signature *ast.FuncType) (types []string) {
	if signature.Results == nil {
		return nil
	}
	for _, field := range signature.Results.List {
		name := ""
		if ident, ok := field.Type.(*ast.Ident); ok {
			name = ident.Name
		}
		for range max(1, len(field.Names)) {
			types = append(types, name)
		}
	}
	return types
}

// Endings finds loops over a log that do not look why they ended: a loop with one
// variable compiles.
func Endings(t *Tree) []Finding {
	var findings []Finding
	t.files(everyFile, func(_ *Package, f *File) {
		uses := slices.ContainsFunc(f.Syntax.Imports, func(spec *ast.ImportSpec) bool { return unquote(spec.Path.Value) == module })
		if !uses {
			return
		}
		ast.Inspect(f.Syntax, func(node ast.Node) bool {
			loop, ok := node.(*ast.RangeStmt)
			if !ok || loop.Value != nil {
				return true
			}
			if call, ok := loop.X.(*ast.CallExpr); ok {
				if method, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"Entries", "Batches", "Watch", "Tentative", "Views", "Orphans"}, method.Sel.Name) {
					findings = append(findings, t.at(loop, "range over %s with two variables: the second one says why it ended", method.Sel.Name))
				}
			}
			return true
		})
	})
	return inOrder(findings)
}
