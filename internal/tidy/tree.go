// Package tidy tests the code itself, so that nobody has to remember the rules
// of the house.
//
// A [Tree] is the parsed source, a rule is a function from it to [Finding]s.
// The tests run every rule over the project, and over small fixtures that
// break it, for a rule that cannot fail proves nothing.
package tidy

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Finding is one place that breaks a rule.
type Finding struct {
	Path string // from the root of the project, with slashes
	Line int    // from 1; 0 means the whole file or folder
	Text string // what is wrong and what to do
}

// String returns path:line: text, as compilers do.
func (f Finding) String() string {
	if f.Line == 0 {
		return f.Path + ": " + f.Text
	}
	return fmt.Sprintf("%s:%d: %s", f.Path, f.Line, f.Text)
}

// File is one parsed Go file.
type File struct {
	Path   string // from the root of the project, with slashes
	Syntax *ast.File
	Source []byte
}

// Test reports whether the file is only built for tests.
func (f *File) Test() bool { return strings.HasSuffix(f.Path, "_test.go") }

// Package is a folder with Go files.
type Package struct {
	Dir   string // from the root of the project; "." is the root
	Files []*File
}

// Name returns the last element of the folder, for messages.
func (p *Package) Name() string { return path.Base(p.Dir) }

// Code returns the files that are built for production.
func (p *Package) Code() []*File {
	return slices.DeleteFunc(slices.Clone(p.Files), (*File).Test)
}

// Tree is the source of the project.
type Tree struct {
	Packages  []*Package
	Documents map[string]string // texts of the Markdown files by path
	fset      *token.FileSet
	paths     map[string]bool // all files and folders
}

// Load parses all Go files and reads all Markdown files below the root of
// fsys. It leaves out hidden folders and testdata. A file that cannot be
// parsed is an error.
func Load(fsys fs.FS) (*Tree, error) {
	tree := &Tree{Documents: map[string]string{}, fset: token.NewFileSet(), paths: map[string]bool{}}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		tree.paths[name] = true
		if entry.IsDir() {
			return enter(name)
		}
		return tree.add(fsys, name)
	})
	if err != nil {
		return nil, fmt.Errorf("tidy: load: %w", err)
	}
	return tree, nil
}

func enter(dir string) error {
	base := path.Base(dir)
	if base == "testdata" || strings.HasPrefix(base, ".") && base != "." && base != ".ci" {
		return fs.SkipDir
	}
	return nil
}

func (t *Tree) add(fsys fs.FS, name string) error {
	switch path.Ext(name) {
	case ".go":
		source, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		syntax, err := parser.ParseFile(t.fset, name, source, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		p := t.folder(path.Dir(name))
		p.Files = append(p.Files, &File{Path: name, Syntax: syntax, Source: source})
	case ".md":
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		t.Documents[name] = string(text)
	}
	return nil
}

// folder returns the package in dir and makes it if there is none yet. Walking
// visits a folder's files around those of its subfolders, so it must search.
func (t *Tree) folder(dir string) *Package {
	for _, p := range t.Packages {
		if p.Dir == dir {
			return p
		}
	}
	p := &Package{Dir: dir}
	t.Packages = append(t.Packages, p)
	return p
}

// at makes a finding about the place of a node.
func (t *Tree) at(node ast.Node, format string, values ...any) Finding {
	place := t.fset.Position(node.Pos())
	return Finding{Path: place.Filename, Line: place.Line, Text: fmt.Sprintf(format, values...)}
}

// lines counts the lines from the first to the last of a node, both included.
func (t *Tree) lines(node ast.Node) int {
	return t.fset.Position(node.End()).Line - t.fset.Position(node.Pos()).Line + 1
}

// files calls visit for every Go file of the tree that is wanted.
func (t *Tree) files(wanted func(*File) bool, visit func(*Package, *File)) {
	for _, p := range t.Packages {
		for _, f := range p.Files {
			if wanted(f) {
				visit(p, f)
			}
		}
	}
}

func everyFile(*File) bool   { return true }
func onlyTests(f *File) bool { return f.Test() }
func onlyCode(f *File) bool  { return !f.Test() }

// lineCount counts the lines of a source.
func lineCount(source []byte) int { return bytes.Count(source, []byte("\n")) }

// inOrder sorts findings by place, since a person reads them file by file.
func inOrder(findings []Finding) []Finding {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line))
	})
	return findings
}
