package sim

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/text"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/mutant"
	"chatterbox/internal/world/wire"
)

// A case is a whole run as text: a failure map, with the rest of the run in
// comments of its own.
//
//	# What the case shows, in plain words.
//	# run: protocol=delta members=3 seed=7 send=2s grace=3s tick=10ms
//	# run: delay=1ms..5ms rates=20,0,100 batch=4 journal torn
//	500ms  a <-> b  cut
//	2s     a <-> b  heal
//
// Whatever reads failure maps reads a case as well, and ignores the rest. What
// is not set has a plain value; each setting stands once.

// runWord begins the comments of a case that say how to run it.
const runWord = "run:"

// setting is a word of a case that says how to run it.
type setting struct {
	text         string
	line, column int // from 1; a column is a character
}

// settingsOf finds the settings in the comments of a text.
func settingsOf(text string) []setting {
	var settings []setting
	for number, line := range strings.Split(text, "\n") {
		before, comment, _ := strings.Cut(line, "#")
		words := strings.TrimLeft(comment, " \t")
		if len(words) < len(runWord) || !strings.EqualFold(words[:len(runWord)], runWord) {
			continue
		}
		at := len(before) + 1 + len(comment) - len(words) + len(runWord)
		for _, word := range strings.Fields(line[at:]) {
			at += strings.Index(line[at:], word)
			settings = append(settings, setting{word, number + 1, utf8.RuneCountInString(line[:at]) + 1})
			at += len(word)
		}
	}
	return settings
}

// IsCase reports whether a failure map's text says how to run it.
func IsCase(data []byte) bool {
	clean, err := text.Clean(data)
	return err == nil && len(settingsOf(string(clean))) > 0
}

// ParseCase reads a case. The error names every mistake, as name:line:column.
func ParseCase(data []byte, name string) (Config, error) {
	data, err := text.Clean(data)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", name, err)
	}
	c := Config{Shape: &Shape{}}
	wrong := c.apply(settingsOf(string(data)), name)
	if c.Map, err = failure.Parse(bytes.NewReader(data), name); err != nil {
		wrong = append(wrong, err)
	}
	if c.Map == nil {
		c.Map = failure.Map{}
	}
	c = c.withDefaults()
	c.Shape.setDefaults(c.Members)
	return c, errors.Join(wrong...)
}

// apply sets what settings say.
func (c *Config) apply(settings []setting, name string) (wrong []error) {
	seen := map[string]bool{}
	var last []setting // whose meaning depends on others
	for _, s := range settings {
		field, err := fieldOf(s.text)
		switch {
		case err != nil:
		case seen[field.name]:
			err = fmt.Errorf("%q stands twice: keep one", field.name)
		case field.last:
			last = append(last, s)
		default:
			err = field.set(c, s.text)
		}
		seen[field.name] = true
		if err != nil {
			wrong = append(wrong, s.wrong(name, err))
		}
	}
	for _, s := range last {
		field, _ := fieldOf(s.text) // is one of ours
		if err := field.set(c, s.text); err != nil {
			wrong = append(wrong, s.wrong(name, err))
		}
	}
	return wrong
}

func (s *setting) wrong(name string, err error) error {
	return fmt.Errorf("%s:%d:%d: %w", name, s.line, s.column, err)
}

// Case writes the whole of a run as a case. Claim says in one line what it
// shows.
func Case(c Config, claim string) string {
	c = c.withDefaults()
	var text strings.Builder
	fmt.Fprintf(&text, "# %s\n# %s", claim, runWord)
	width := len("# " + runWord)
	for _, f := range caseFields() {
		word := f.write(&c)
		if word == "" {
			continue
		}
		if width+len(word) > caseWidth {
			fmt.Fprintf(&text, "\n# %s", runWord)
			width = len("# " + runWord)
		}
		text.WriteString(" " + word)
		width += len(word) + 1
	}
	return text.String() + "\n" + c.Map.String()
}

// caseWidth is how long the lines of a case get, in columns.
const caseWidth = 110

// setDefaults gives every size that is not given a plain value.
func (s *Shape) setDefaults(members int) {
	setIf(&s.Tick, 10*time.Millisecond)
	setIf(&s.BatchMax, 1)
	setIf(&s.SegmentBytesMax, 1<<20)
	setIf(&s.TrimNoticeBytes, 8<<20)
	setIf(&s.MemoryBytesMax, 1<<20)
	setIf(&s.MessageBytesMax, 64<<10)
	setIf(&s.WindowBytesMax, 1<<20)
	for len(s.Rates) < members {
		s.Rates = append(s.Rates, defaultRate)
	}
	s.Rates = s.Rates[:members]
}

const defaultRate = 20 // entries a second of each member

func setIf[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// caseField is a word of a case: name=value, or the name alone for a switch.
type caseField struct {
	name     string
	isSwitch bool // has no value
	last     bool // is set when all others are
	read     func(c *Config, value string) error
	write    func(c *Config) string
}

// fieldOf returns the field that a setting is for.
func fieldOf(setting string) (caseField, error) {
	name, _, _ := strings.Cut(setting, "=")
	fields := caseFields()
	i := slices.IndexFunc(fields, func(f caseField) bool { return f.name == name })
	if i < 0 {
		names := make([]string, len(fields))
		for i := range fields {
			names[i] = fields[i].name
		}
		return caseField{}, fmt.Errorf("%q is no setting of a run; there are %s", name, strings.Join(names, ", "))
	}
	return fields[i], nil
}

// set sets the field as a setting says.
func (f *caseField) set(c *Config, setting string) error {
	_, value, hasValue := strings.Cut(setting, "=")
	switch {
	case f.isSwitch && hasValue:
		return fmt.Errorf("%s: has no value: write %s, or leave it out", f.name, f.name)
	case !f.isSwitch && value == "":
		return fmt.Errorf("%s: needs a value, as in %s=VALUE", f.name, f.name)
	}
	if err := f.read(c, value); err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	return nil
}

// wordField is a field of one of a few words.
func wordField(name string, at func(*Config) *string, words ...string) caseField {
	return caseField{
		name: name,
		read: func(c *Config, value string) error {
			if *at(c) = value; !slices.Contains(words, value) {
				return fmt.Errorf("%q is not one of %s", value, strings.Join(words, ", "))
			}
			return nil
		},
		write: func(c *Config) string { return nonEmpty(name, *at(c)) },
	}
}

func nonEmpty(name, value string) string {
	if value == "" {
		return ""
	}
	return name + "=" + value
}

func intField(name string, high int, at func(*Config) *int) caseField {
	return caseField{
		name: name,
		read: func(c *Config, value string) error {
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > high {
				return fmt.Errorf("%q is no whole number from 1 to %d", value, high)
			}
			*at(c) = n
			return nil
		},
		write: func(c *Config) string { return name + "=" + strconv.Itoa(*at(c)) },
	}
}

func timeField(name string, low, high time.Duration, at func(*Config) *time.Duration) caseField {
	return caseField{
		name:  name,
		read:  func(c *Config, value string) (err error) { *at(c), err = timeWithin(value, low, high); return err },
		write: func(c *Config) string { return name + "=" + at(c).String() },
	}
}

// timeWithin reads a time with its unit that lies between two others.
func timeWithin(value string, low, high time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil || d < low || d > high {
		return 0, fmt.Errorf("%q is no time such as 5ms or 2s from %v to %v", value, low, high)
	}
	return d, nil
}

// numberWithin reads a number that lies between two others.
func numberWithin(value string, low, high float64) (float64, error) {
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || !(n >= low && n <= high) { // NaN is neither
		return 0, fmt.Errorf("%q is no number from %v to %v", value, low, high)
	}
	return n, nil
}

// evictAfterField is a time that is left out if it is 0.
func evictAfterField() caseField {
	f := timeField("evict-after", time.Millisecond, phaseMax, func(c *Config) *time.Duration { return &c.Shape.EvictAfter })
	write := f.write
	f.write = func(c *Config) string {
		if c.Shape.EvictAfter == 0 {
			return ""
		}
		return write(c)
	}
	return f
}

func switchField(name string, at func(*Config) *bool) caseField {
	return caseField{
		name:     name,
		isSwitch: true,
		read:     func(c *Config, _ string) error { *at(c) = true; return nil },
		write: func(c *Config) string {
			if *at(c) {
				return name
			}
			return ""
		},
	}
}

// What settings may be at most.
const (
	phaseMax = 24 * time.Hour
	tickMax  = time.Minute
	delayMax = time.Hour
	rateMax  = 100_000 // entries a second of a member
	bytesMax = 1 << 30
	batchMax = (payloadBytes - wire.BatchHeaderBytes) / numberBytes // that fit into a buffer
)

// numberBytes is the size of an entry of the score workload.
const numberBytes = 8

// caseFields are the words of a case in the order in which they are written.
func caseFields() []caseField {
	return []caseField{
		wordField("protocol", func(c *Config) *string { return &c.Protocol }, Delta, Lockstep),
		mutantField(),
		wordField("flaw", func(c *Config) *string { return (*string)(&c.Flaw) }, flawNames()...),
		intField("members", membersMaxSim, func(c *Config) *int { return &c.Members }),
		{name: "seed", read: readSeed, write: func(c *Config) string { return "seed=" + strconv.FormatUint(c.Seed, 10) }},
		timeField("send", time.Millisecond, phaseMax, func(c *Config) *time.Duration { return &c.SendFor }),
		timeField("grace", time.Millisecond, phaseMax, func(c *Config) *time.Duration { return &c.GraceFor }),
		timeField("tick", time.Millisecond, tickMax, func(c *Config) *time.Duration { return &c.Shape.Tick }),
		timeField("wake", 0, tickMax, func(c *Config) *time.Duration { return &c.Shape.Wake }),
		{name: "delay", read: readDelay, write: func(c *Config) string { return fmt.Sprintf("delay=%s..%s", c.Shape.DelayMin, c.Shape.DelayMax) }},
		{name: "rates", last: true, read: readRates, write: writeRates},
		intField("batch", batchMax, func(c *Config) *int { return &c.Shape.BatchMax }),
		switchField("streams", func(c *Config) *bool { return &c.Shape.Streams }),
		switchField("journal", func(c *Config) *bool { return &c.Shape.Journal }),
		switchField("torn", func(c *Config) *bool { return &c.Shape.Torn }),
		switchField("scarce", func(c *Config) *bool { return &c.Shape.Scarce }),
		switchField("history", func(c *Config) *bool { return &c.Shape.History }),
		wholeField("holders", membersMaxSim, func(c *Config) *int { return &c.Shape.Holders }),
		switchField("changes", func(c *Config) *bool { return &c.Shape.Changes }),
		evictAfterField(),
		wholeField("park", bytesMax, func(c *Config) *int { return &c.Shape.ParkBytes }),
		wholeField("disk", bytesMax, func(c *Config) *int { return &c.Shape.DiskBytes }),
		wholeField("retain", bytesMax, func(c *Config) *int { return &c.Shape.RetainBytes }),
		{name: "zombies", read: readZombies, write: writeZombies},
		intField("segment", bytesMax, func(c *Config) *int { return &c.Shape.SegmentBytesMax }),
		intField("trim", bytesMax, func(c *Config) *int { return &c.Shape.TrimNoticeBytes }),
		intField("memory", bytesMax, func(c *Config) *int { return &c.Shape.MemoryBytesMax }),
		intField("message", bytesMax, func(c *Config) *int { return &c.Shape.MessageBytesMax }),
		intField("window", bytesMax, func(c *Config) *int { return &c.Shape.WindowBytesMax }),
		{name: "spared", last: true, read: readSpared, write: writeSpared},
	}
}

// mutantField is the broken variant that runs; which there are depends on the
// protocol.
func mutantField() caseField {
	f := wordField("mutant", func(c *Config) *string { return (*string)(&c.Mutant) })
	f.last = true
	f.read = func(c *Config, value string) error {
		c.Mutant = mutant.Mutant(value)
		if all := mutant.Of(c.withDefaults().Protocol); !slices.Contains(all, c.Mutant) {
			return fmt.Errorf("%s has no variant %q; there are %v", c.withDefaults().Protocol, value, all)
		}
		return nil
	}
	return f
}

func flawNames() []string {
	var names []string
	for _, flaw := range Flaws() {
		names = append(names, string(flaw))
	}
	return names
}

// wholeField is a number that is left out if it is 0.
func wholeField(name string, high int, at func(*Config) *int) caseField {
	return caseField{
		name: name,
		read: func(c *Config, value string) error {
			n, err := strconv.Atoi(value)
			if err != nil || n < 0 || n > high {
				return fmt.Errorf("%q is no whole number from 0 to %d", value, high)
			}
			*at(c) = n
			return nil
		},
		write: func(c *Config) string {
			if *at(c) == 0 {
				return ""
			}
			return name + "=" + strconv.Itoa(*at(c))
		},
	}
}

func readSeed(c *Config, value string) (err error) {
	if c.Seed, err = strconv.ParseUint(value, 10, 64); err != nil {
		return fmt.Errorf("%q is no whole number from 0 to %d", value, uint64(math.MaxUint64))
	}
	return nil
}

func readDelay(c *Config, value string) (err error) {
	low, high, ranged := strings.Cut(value, "..")
	if c.Shape.DelayMin, err = timeWithin(low, 0, delayMax); err != nil {
		return err
	}
	c.Shape.DelayMax = c.Shape.DelayMin
	if ranged {
		c.Shape.DelayMax, err = timeWithin(high, 0, delayMax)
	}
	if err == nil && c.Shape.DelayMax < c.Shape.DelayMin {
		return errors.New("the shorter time comes first")
	}
	return err
}

// readRates reads a rate for each member; those that are not named have a
// plain one.
func readRates(c *Config, value string) error {
	rates := strings.Split(value, ",")
	if members := c.withDefaults().Members; len(rates) > members {
		return fmt.Errorf("there are %d, but %d members", len(rates), members)
	}
	for _, text := range rates {
		rate, err := numberWithin(text, 0, rateMax)
		if err != nil {
			return err
		}
		c.Shape.Rates = append(c.Shape.Rates, rate)
	}
	return nil
}

func writeRates(c *Config) string {
	var rates []string
	for _, rate := range c.Shape.Rates {
		rates = append(rates, strconv.FormatFloat(rate, 'g', -1, 64))
	}
	return "rates=" + strings.Join(rates, ",")
}

func readZombies(c *Config, value string) (err error) {
	c.Shape.Zombies, err = numberWithin(value, 0, 1)
	return err
}

func writeZombies(c *Config) string {
	if c.Shape.Zombies == 0 {
		return ""
	}
	return "zombies=" + strconv.FormatFloat(c.Shape.Zombies, 'g', -1, 64)
}

// readSpared reads links such as a>b,b>c.
func readSpared(c *Config, value string) error {
	list := names(c.withDefaults().Members)
	c.Shape.Spared = make([]bool, len(list)*len(list))
	for _, link := range strings.Split(value, ",") {
		from, to, _ := strings.Cut(link, ">")
		a, known := list.Named(from)
		b, knownToo := list.Named(to)
		if !known || !knownToo {
			return fmt.Errorf("%q is no link such as a>b of %d members", link, len(list))
		}
		c.Shape.Spared[int(a)*len(list)+int(b)] = true
	}
	return nil
}

func writeSpared(c *Config) string {
	var links []string
	for i, spared := range c.Shape.Spared {
		if spared {
			links = append(links, member.Letter(member.ID(i/c.Members))+">"+member.Letter(member.ID(i%c.Members)))
		}
	}
	return nonEmpty("spared", strings.Join(links, ","))
}
