package failure

import (
	"embed"
	"fmt"
	"path"
	"strings"
)

//go:embed maps/*.txt
var files embed.FS // go:embed demands a package variable; nothing writes to it

// Shipment is a map that comes with the program.
type Shipment struct {
	Name string // a claim, such as "paused-member-catches-up"
	Text string // with a comment that says what happens and what must hold
	// Complete says that every member must end with the complete log, and a
	// node with exit status 0; otherwise some cannot.
	Complete bool
	// Durable says that this only holds where members keep their data.
	Durable bool
}

// Shipped returns the maps that come along, by name. They are made for five
// members, a send phase of 3 s and a grace phase of 5 s.
func Shipped() []Shipment {
	entries, err := files.ReadDir("maps")
	if err != nil {
		panic(fmt.Sprintf("failure: shipped maps: %v", err))
	}
	shipments := make([]Shipment, len(entries))
	for i, entry := range entries {
		text, err := files.ReadFile(path.Join("maps", entry.Name()))
		if err != nil {
			panic(fmt.Sprintf("failure: shipped map %s: %v", entry.Name(), err))
		}
		shipments[i] = Shipment{
			Name:     strings.TrimSuffix(entry.Name(), ".txt"),
			Text:     string(text),
			Complete: strings.Contains(string(text), "\n# Ends complete: "),
			Durable:  strings.Contains(string(text), "\n# Needs data folders: "),
		}
	}
	return shipments
}

// Map parses the shipped map. It panics if the text is wrong, which a test
// excludes.
func (s Shipment) Map() Map {
	m, err := Parse(strings.NewReader(s.Text), s.Name+".txt")
	if err != nil {
		panic(fmt.Sprintf("failure: shipped map: %v", err))
	}
	return m
}
