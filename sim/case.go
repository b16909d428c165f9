package sim

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"chatterbox/failure"
	"chatterbox/member"
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
// Whatever reads failure maps reads a case as well, and ignores the rest.

// runWords begins the comments of a case that say how to run it.
const runWords = "# run:"

// IsCase says whether a failure map's text says how to run it.
func IsCase(text string) bool {
	return strings.HasPrefix(text, runWords) || strings.Contains(text, "\n"+runWords)
}

// ParseCase reads a case. The error names every mistake, with the line.
func ParseCase(text, name string) (Config, error) {
	c := Config{Shape: &Shape{}}
	var wrong []error
	fields := caseFields()
	for number, line := range strings.Split(text, "\n") {
		settings, ok := strings.CutPrefix(line, runWords)
		if !ok {
			continue
		}
		for _, setting := range strings.Fields(settings) {
			if err := set(&c, fields, setting); err != nil {
				wrong = append(wrong, fmt.Errorf("%s:%d: %w", name, number+1, err))
			}
		}
	}
	var err error
	if c.Map, err = failure.Parse(strings.NewReader(text), name); err != nil {
		wrong = append(wrong, err)
	}
	if c.Map == nil {
		c.Map = failure.Map{}
	}
	c = c.withDefaults()
	c.Shape.setDefaults(c.Members)
	return c, errors.Join(wrong...)
}

// Case writes the whole of a run as a case. Claim says in one line what it
// shows.
func Case(c Config, claim string) string {
	c = c.withDefaults()
	var text strings.Builder
	fmt.Fprintf(&text, "# %s\n%s", claim, runWords)
	width := len(runWords)
	for _, f := range caseFields() {
		word := f.write(&c)
		if word == "" {
			continue
		}
		if width+len(word) > caseWidth {
			fmt.Fprintf(&text, "\n%s", runWords)
			width = len(runWords)
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
	name  string
	read  func(c *Config, value string) error
	write func(c *Config) string
}

func set(c *Config, fields []caseField, setting string) error {
	name, value, _ := strings.Cut(setting, "=")
	i := slices.IndexFunc(fields, func(f caseField) bool { return f.name == name })
	if i < 0 {
		return fmt.Errorf("%q is no setting of a run", name)
	}
	if err := fields[i].read(c, value); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func textField(name string, at func(*Config) *string) caseField {
	return caseField{
		name,
		func(c *Config, value string) error { *at(c) = value; return nil },
		func(c *Config) string { return nonEmpty(name, *at(c)) },
	}
}

func nonEmpty(name, value string) string {
	if value == "" {
		return ""
	}
	return name + "=" + value
}

func intField(name string, at func(*Config) *int) caseField {
	return caseField{
		name,
		func(c *Config, value string) (err error) { *at(c), err = strconv.Atoi(value); return err },
		func(c *Config) string { return name + "=" + strconv.Itoa(*at(c)) },
	}
}

func timeField(name string, at func(*Config) *time.Duration) caseField {
	return caseField{
		name,
		func(c *Config, value string) (err error) { *at(c), err = time.ParseDuration(value); return err },
		func(c *Config) string { return name + "=" + at(c).String() },
	}
}

func switchField(name string, at func(*Config) *bool) caseField {
	return caseField{
		name,
		func(c *Config, _ string) error { *at(c) = true; return nil },
		func(c *Config) string {
			if *at(c) {
				return name
			}
			return ""
		},
	}
}

// caseFields are the words of a case in the order in which they are written.
func caseFields() []caseField {
	return []caseField{
		textField("protocol", func(c *Config) *string { return &c.Protocol }),
		textField("mutant", func(c *Config) *string { return (*string)(&c.Mutant) }),
		textField("flaw", func(c *Config) *string { return (*string)(&c.Flaw) }),
		intField("members", func(c *Config) *int { return &c.Members }),
		{"seed", readSeed, func(c *Config) string { return "seed=" + strconv.FormatUint(c.Seed, 10) }},
		timeField("send", func(c *Config) *time.Duration { return &c.SendFor }),
		timeField("grace", func(c *Config) *time.Duration { return &c.GraceFor }),
		timeField("tick", func(c *Config) *time.Duration { return &c.Shape.Tick }),
		timeField("wake", func(c *Config) *time.Duration { return &c.Shape.Wake }),
		{"delay", readDelay, func(c *Config) string { return fmt.Sprintf("delay=%s..%s", c.Shape.DelayMin, c.Shape.DelayMax) }},
		{"rates", readRates, writeRates},
		intField("batch", func(c *Config) *int { return &c.Shape.BatchMax }),
		switchField("streams", func(c *Config) *bool { return &c.Shape.Streams }),
		switchField("journal", func(c *Config) *bool { return &c.Shape.Journal }),
		switchField("torn", func(c *Config) *bool { return &c.Shape.Torn }),
		{"zombies", readZombies, writeZombies},
		intField("segment", func(c *Config) *int { return &c.Shape.SegmentBytesMax }),
		intField("trim", func(c *Config) *int { return &c.Shape.TrimNoticeBytes }),
		intField("memory", func(c *Config) *int { return &c.Shape.MemoryBytesMax }),
		intField("message", func(c *Config) *int { return &c.Shape.MessageBytesMax }),
		intField("window", func(c *Config) *int { return &c.Shape.WindowBytesMax }),
		{"spared", readSpared, writeSpared},
	}
}

func readSeed(c *Config, value string) (err error) {
	c.Seed, err = strconv.ParseUint(value, 10, 64)
	return err
}

func readDelay(c *Config, value string) (err error) {
	low, high, ranged := strings.Cut(value, "..")
	if c.Shape.DelayMin, err = time.ParseDuration(low); err != nil {
		return err
	}
	c.Shape.DelayMax = c.Shape.DelayMin
	if ranged {
		c.Shape.DelayMax, err = time.ParseDuration(high)
	}
	if err == nil && c.Shape.DelayMax < c.Shape.DelayMin {
		return errors.New("the shorter time comes first")
	}
	return err
}

func readRates(c *Config, value string) error {
	for _, text := range strings.Split(value, ",") {
		rate, err := strconv.ParseFloat(text, 64)
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
	c.Shape.Zombies, err = strconv.ParseFloat(value, 64)
	return err
}

func writeZombies(c *Config) string {
	if c.Shape.Zombies == 0 {
		return ""
	}
	return "zombies=" + strconv.FormatFloat(c.Shape.Zombies, 'g', -1, 64)
}

// readSpared reads links such as a>b,b>c. The number of members comes before.
func readSpared(c *Config, value string) error {
	list := names(c.withDefaults().Members)
	c.Shape.Spared = make([]bool, len(list)*len(list))
	for _, link := range strings.Split(value, ",") {
		from, to, _ := strings.Cut(link, ">")
		a, known := list.Named(from)
		b, knownToo := list.Named(to)
		if !known || !knownToo {
			return fmt.Errorf("%q is no link such as a>b", link)
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
