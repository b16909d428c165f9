package mutant

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// Variant is a mutant of a protocol.
type Variant struct {
	Protocol string
	Mutant   Mutant
}

// Variants returns all mutants of all protocols.
func Variants() []Variant {
	var all []Variant
	for _, protocol := range []string{Delta, Lockstep, Synod} {
		for _, m := range Of(protocol) {
			all = append(all, Variant{protocol, m})
		}
	}
	return all
}

const (
	module    = "chatterbox"
	protocols = "internal/core/protocol"         // below it lie the packages that are copied
	builtFile = "internal/proof/mutant/built.go" // is replaced
	copies    = "internal/proof/mutant/built"    // where the copies seem to lie
)

// overlay gathers what seems to lie in the source.
type overlay struct {
	root, dir string            // of the source, and where the files are written
	Replace   map[string]string // as go build reads it: what lies where
}

// WriteOverlay applies the patches of variants to copies of the source below
// root, and writes them with a list of them below dir. It returns the file
// name of that list: what go build and go test take as -overlay. Each variant
// is a copy of the packages that its patch changes and of those between them
// and the reducer, so that one program may have many. A patch that does not
// fit is an error that names it.
func WriteOverlay(root, dir string, variants []Variant) (string, error) {
	o := overlay{root: root, dir: dir, Replace: map[string]string{}}
	source, err := readSource(root)
	if err != nil {
		return "", err
	}
	var wrong []error
	for _, v := range variants {
		if err := o.add(source, v); err != nil {
			wrong = append(wrong, fmt.Errorf("mutant %s of %s: %w", v.Mutant, v.Protocol, err))
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return "", err
	}
	if err := o.write(builtFile, registry(variants)); err != nil {
		return "", err
	}
	list, err := json.Marshal(&o)
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, list, 0o600)
}

// readSource reads the code of all packages below the protocols, by file name
// from the root.
func readSource(root string) (map[string]string, error) {
	files, err := filepath.Glob(filepath.Join(root, protocols, "*", "*.go"))
	if err != nil || len(files) == 0 {
		return nil, errors.Join(fmt.Errorf("%s: there is no source of the protocols below it", root), err)
	}
	source := map[string]string{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		source[path.Join(protocols, filepath.Base(filepath.Dir(file)), filepath.Base(file))] = string(text)
	}
	return source, nil
}

// add writes the copies of a variant.
func (o *overlay) add(source map[string]string, v Variant) error {
	text := v.Mutant.text(v.Protocol)
	if text == "" {
		return errors.New("there is no such one")
	}
	changes, err := parse(text)
	if err != nil {
		return err
	}
	changed := map[string]string{}
	copied := map[string]bool{path.Join(protocols, v.Protocol): true}
	for i := range changes {
		c := &changes[i]
		before, ok := changed[c.file]
		if !ok {
			before = source[c.file]
		}
		if changed[c.file], err = c.apply(before); err != nil {
			return err
		}
		copied[path.Dir(c.file)] = true
	}
	addImporters(copied, source)
	for file, text := range source {
		if !copied[path.Dir(file)] {
			continue
		}
		if after, ok := changed[file]; ok {
			text = after
		}
		for dir := range copied {
			text = strings.ReplaceAll(text, quotedImport(dir), strconv.Quote(v.importPath(dir)))
		}
		if err := o.write(path.Join(v.place(path.Dir(file)), path.Base(file)), text); err != nil {
			return err
		}
	}
	return nil
}

// addImporters adds the packages that import one of those that are copied.
func addImporters(copied map[string]bool, source map[string]string) {
	for grows := true; grows; {
		grows = false
		for file, text := range source {
			for dir := range copied {
				if !copied[path.Dir(file)] && strings.Contains(text, quotedImport(dir)) {
					copied[path.Dir(file)], grows = true, true
				}
			}
		}
	}
}

func quotedImport(dir string) string { return strconv.Quote(path.Join(module, dir)) }

// place is where the copy of a package seems to lie.
func (v Variant) place(dir string) string {
	return path.Join(copies, v.Protocol, string(v.Mutant), strings.TrimPrefix(dir, protocols))
}

func (v Variant) importPath(dir string) string { return path.Join(module, v.place(dir)) }

// write writes a file that seems to lie at a place in the source.
func (o *overlay) write(place, text string) error {
	file := filepath.Join(o.dir, filepath.FromSlash(place))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	o.Replace[filepath.Join(o.root, filepath.FromSlash(place))] = file
	return os.WriteFile(file, []byte(text), 0o600)
}

// registry is the file that makes what variants are of.
func registry(variants []Variant) string {
	var imports, list strings.Builder
	cases := map[string]*strings.Builder{Delta: {}, Lockstep: {}, Synod: {}}
	for i, v := range variants {
		fmt.Fprintf(&imports, "\tm%d %q\n", i, v.importPath(path.Join(protocols, v.Protocol)))
		fmt.Fprintf(&list, "\t\t{%q, %q},\n", v.Protocol, v.Mutant)
		fmt.Fprintf(cases[v.Protocol], "\tcase %q:\n\t\treturn m%d.New(m%d.Config(c))\n", v.Mutant, i, i)
	}
	return fmt.Sprintf(`package mutant

import (
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/delta"
	"chatterbox/internal/core/protocol/lockstep"
	"chatterbox/internal/core/protocol/synod"
%s)

func built() []Variant {
	return []Variant{
%s	}
}

func newDelta(m Mutant, c delta.Config) protocol.Reducer {
	switch m {
%s	}
	return nil
}

func newLockstep(m Mutant, c lockstep.Config) protocol.Reducer {
	switch m {
%s	}
	return nil
}

func newSynod(m Mutant, c synod.Config) Choosing {
	switch m {
%s	}
	return nil
}
`, &imports, &list, cases[Delta], cases[Lockstep], cases[Synod])
}
