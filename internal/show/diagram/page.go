package diagram

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"strings"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// The parts of the page; go:embed demands package variables, and nothing
// writes to them.
var (
	//go:embed page/page.html
	pageFrame string
	//go:embed page/page.css
	pageStyle string
	//go:embed page/*.js
	pageScripts embed.FS
)

// pageScript puts the parts of the script into one, for an inline script cannot
// import: what happened, where it is, the picture, its events, words, the strip,
// and what keys and pointers do.
func pageScript() (string, error) {
	var script strings.Builder
	for _, part := range []string{"model", "layout", "draw", "events", "words", "strip", "main"} {
		text, err := pageScripts.ReadFile("page/" + part + ".js")
		if err != nil {
			return "", err
		}
		script.Write(text)
	}
	return script.String(), nil
}

// Page writes a page that shows a view and can be moved through the whole run.
// It needs nothing else and fetches nothing: a policy in it forbids that. A run
// too large for a page is thinned; notice says how, and so does the page.
func Page(out io.Writer, r *Run, v View) (notice string, err error) {
	reduced := r.reduced(cellsMax)
	data, err := json.Marshal(r.pageData(&v, &reduced)) // with <, > and & escaped, so that no name ends the script
	if err != nil {
		return "", fmt.Errorf("diagram: write page: %w", err)
	}
	script, err := pageScript()
	if err != nil {
		return "", fmt.Errorf("diagram: write page: %w", err)
	}
	page := strings.NewReplacer(
		"{{STYLE-HASH}}", hashOf(pageStyle), "{{SCRIPT-HASH}}", hashOf(script), "{{STYLE}}", pageStyle,
		"{{SCRIPT}}", script, "{{TITLE}}", html.EscapeString(clean(v.Title, titleChars)), "{{DATA}}", string(data),
	).Replace(pageFrame)
	if _, err := io.WriteString(out, page); err != nil {
		return "", fmt.Errorf("diagram: write page: %w", err)
	}
	return reduced.notice, nil
}

// hashOf returns the hash of an inline part as a content security policy names
// it.
func hashOf(part string) string {
	sum := sha256.Sum256([]byte(part))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// The form of the data in the page: columns, times in microseconds. A column
// that says so has differences to the number before.
type (
	jsonPage struct {
		Title   string      `json:"title"`
		What    string      `json:"what"`
		Note    string      `json:"note"`
		Thinned string      `json:"thinned"`
		Members []string    `json:"members"`
		End     int64       `json:"end"`
		Usual   int64       `json:"usual"` // half of the frames took so long at most
		View    jsonView    `json:"view"`
		Whole   jsonSpan    `json:"whole"`
		Batches jsonBatches `json:"batches"`
		Frames  jsonFrames  `json:"frames"`
		Marks   []jsonMark  `json:"marks"`
		Faults  []jsonFault `json:"faults"`
		Cuts    []jsonCut   `json:"cuts"`
		Lives   [][][3]any  `json:"lives"` // of each member: from, to and how its line looks
	}
	jsonSpan struct {
		From int64 `json:"from"`
		To   int64 `json:"to"`
	}
	jsonView struct {
		jsonSpan

		Matters []int32   `json:"matters"`
		Frames  []int32   `json:"frames"`
		Spotted bool      `json:"spotted"`
		At      int64     `json:"at"`
		Member  member.ID `json:"m"`
		Bad     bool      `json:"bad"`
	}
	jsonBatches struct {
		Stream    []member.ID `json:"stream"`
		Seq       []uint64    `json:"seq"`
		Count     []uint64    `json:"count"`
		Time      []uint64    `json:"time"`
		Position  []uint64    `json:"position"` // 0: nobody settled it
		Number    []int32     `json:"number"`   // among all batches of the run
		Written   []int64     `json:"written"`  // differences
		Held      []int64     `json:"held"`     // of each member, since written; -1: never
		Settled   []int64     `json:"settled"`  // the same
		Brought   []int32     `json:"brought"`  // by which frame each member first had it; -1: none
		SettledBy []int32     `json:"settledBy"`
	}
	jsonFrames struct {
		From    []member.ID `json:"from"`
		To      []member.ID `json:"to"`
		At      []int64     `json:"at"`      // differences
		Took    []int64     `json:"took"`    // -1: lost; -2: on its way at the end
		Carries []any       `json:"carries"` // batches; 0: none
	}
	jsonMark struct {
		At     int64     `json:"at"`
		Member member.ID `json:"m"`
		Text   string    `json:"text"`
		Bad    bool      `json:"bad"`
		View   bool      `json:"view,omitempty"`
	}
	jsonFault struct {
		At   int64  `json:"at"`
		Text string `json:"text"`
	}
	jsonCut struct {
		jsonSpan

		Gap  int  `json:"gap"`
		Both bool `json:"both"`
	}
)

// pageData puts a run into the form of the page.
func (r *Run) pageData(v *View, reduced *reduced) *jsonPage {
	whole := r.Whole()
	from := v.From
	if idle := idleIn(r, v, v.Matters, r.stories(v, v.Matters)); len(idle) > 0 {
		from = idle[len(idle)-1].to // begin where it happens; what led to it is a step away
	}
	data := &jsonPage{
		Title: clean(v.Title, titleChars), Note: clean(v.Note, textChars), Thinned: reduced.notice, End: micros(r.End),
		Usual: micros(max(r.usual, time.Millisecond)), Whole: jsonSpan{micros(whole.From), micros(whole.To)},
		View: jsonView{
			jsonSpan: jsonSpan{micros(from), micros(v.To)}, Matters: reduced.batchesOf(v.Matters), Frames: reduced.framesOf(v.Frames),
			Spotted: v.Spotted, At: micros(v.At), Member: v.Member, Bad: v.Bad,
		},
		Batches: r.pageBatches(reduced), Frames: r.pageFrames(reduced),
		Marks: []jsonMark{}, Faults: []jsonFault{}, Cuts: []jsonCut{},
	}
	h := &r.Header
	data.What = fmt.Sprintf("%s, %s, seed %d: %s of %s", h.Protocol, count(len(h.Members), "member"), h.Seed, count(len(r.Batches), "batch"), count(int(r.Events), "event"))
	for _, name := range r.names() {
		data.Members = append(data.Members, clean(name, textChars))
	}
	for _, cut := range r.cuts {
		data.Cuts = append(data.Cuts, jsonCut{jsonSpan{micros(cut.from), micros(cut.to)}, cut.gap, cut.both})
	}
	for m := range r.names() {
		lives := [][3]any{}
		for _, life := range livesOf(r, member.ID(m)) {
			lives = append(lives, [3]any{micros(life.from), micros(life.to), strings.TrimPrefix(strings.TrimPrefix(life.class, "lane"), " ")})
		}
		data.Lives = append(data.Lives, lives)
	}
	r.pageMarks(data)
	return data
}

func (r *Run) pageMarks(data *jsonPage) {
	for _, event := range r.lifeEvents() {
		data.Marks = append(data.Marks, jsonMark{micros(event.at), event.who, clean(event.text, textChars), event.crash, event.view})
	}
	for i := 0; i < len(r.Marks); i++ {
		if r.Marks[i].Kind == trace.Fault {
			text, last := r.faultsAt(i)
			data.Faults = append(data.Faults, jsonFault{micros(r.Marks[i].At), clean(text, textChars)})
			i = last
		}
	}
}

func (r *Run) pageBatches(reduced *reduced) jsonBatches {
	var c jsonBatches
	before := int64(0)
	since := func(at, begin time.Duration) int64 {
		if at < 0 {
			return -1
		}
		return micros(at) - micros(begin)
	}
	for _, i := range reduced.batches {
		b := &r.Batches[i]
		written := b.written()
		c.Stream, c.Seq, c.Count = append(c.Stream, b.Stream), append(c.Seq, b.Seq), append(c.Count, b.Count)
		c.Time, c.Position, c.Number = append(c.Time, uint64(b.Time)), append(c.Position, b.Position), append(c.Number, i)
		c.Written = append(c.Written, micros(written)-before)
		before = micros(written)
		for m := range r.names() {
			c.Held, c.Settled = append(c.Held, since(b.Held[m], written)), append(c.Settled, since(b.Settled[m], written))
			c.Brought, c.SettledBy = append(c.Brought, reduced.frame(b.brought[m])), append(c.SettledBy, reduced.frame(b.settledBy[m]))
		}
	}
	return c
}

func (r *Run) pageFrames(reduced *reduced) jsonFrames {
	const lost, onItsWay = -1, -2
	var c jsonFrames
	before := int64(0)
	for _, i := range reduced.frames {
		f := &r.Frames[i]
		took := micros(f.Got) - micros(f.Sent)
		switch {
		case r.lost(f):
			took = lost
		case f.Got < 0:
			took = onItsWay
		}
		c.From, c.To = append(c.From, f.From), append(c.To, f.To)
		c.At, c.Took = append(c.At, micros(f.Sent)-before), append(c.Took, took)
		before = micros(f.Sent)
		var carries any = 0
		if kept := reduced.batchesOf(r.carries(f)); len(kept) > 0 {
			carries = kept
		}
		c.Carries = append(c.Carries, carries)
	}
	return c
}

func micros(d time.Duration) int64 { return d.Microseconds() }
