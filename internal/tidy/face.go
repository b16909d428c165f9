package tidy

import (
	"go/ast"
	"path"
	"strings"
)

// PublicTypes finds types of internal packages in what users of the root and of
// chatterboxtest see: they cannot name them.
func PublicTypes(t *Tree) []Finding {
	var findings []Finding
	t.files(onlyCode, func(p *Package, f *File) {
		if p.Dir != "." && p.Dir != "chatterboxtest" {
			return
		}
		hidden := internalImports(f)
		for _, shown := range shownTypes(f) {
			ast.Inspect(shown, func(node ast.Node) bool {
				selector, ok := node.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if name, ok := selector.X.(*ast.Ident); ok && hidden[name.Name] {
					findings = append(findings, t.at(selector, "users see %s.%s and cannot name it: give the package a type of its own", name.Name, selector.Sel.Name))
				}
				return true
			})
		}
	})
	return inOrder(findings)
}

// internalImports returns the names by which a file knows internal packages.
func internalImports(f *File) map[string]bool {
	names := map[string]bool{}
	for _, spec := range f.Syntax.Imports {
		from := unquote(spec.Path.Value)
		if !strings.HasPrefix(from, module+"/internal/") {
			continue
		}
		name := path.Base(from)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = true
	}
	return names
}

// shownTypes returns the types in the public declarations of a file.
func shownTypes(f *File) (types []ast.Node) {
	for _, decl := range f.Syntax.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if len(publicFunc(decl)) > 0 {
				types = append(types, decl.Type)
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				types = append(types, shownInSpec(spec)...)
			}
		}
	}
	return types
}

func shownInSpec(spec ast.Spec) (types []ast.Node) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		structure, ok := spec.Type.(*ast.StructType)
		switch {
		case !spec.Name.IsExported():
		case !ok:
			types = append(types, spec.Type)
		default:
			types = append(types, shownFields(structure)...)
		}
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			if name.IsExported() && spec.Type != nil {
				types = append(types, spec.Type)
			}
		}
	}
	return types
}

// shownFields returns the types of public and embedded fields.
func shownFields(structure *ast.StructType) (types []ast.Node) {
	for _, field := range structure.Fields.List {
		shown := len(field.Names) == 0
		for _, name := range field.Names {
			shown = shown || name.IsExported()
		}
		if shown {
			types = append(types, field.Type)
		}
	}
	return types
}
