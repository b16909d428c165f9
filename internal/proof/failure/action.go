package failure

import "strings"

func linkActions() []Action {
	return []Action{Cut, Heal, Drop, Delay, Rate, Repeat, Reorder}
}

func memberActions() []Action {
	return []Action{Crash, Kill, Pause, Resume, Restart, Start, Clock, Evict, Return, Join, Stop, Observe, Leave}
}

// actionNamed finds an action by its word.
func actionNamed(text string, among []Action) (Action, bool) {
	for _, action := range among {
		if action.String() == text {
			return action, true
		}
	}
	return 0, false
}

// action reads what happens, which must fit to where it happens.
func (p *lineParser) action(e *Event) {
	fitting, others := memberActions(), linkActions()
	if e.Arrow != NoLink {
		fitting, others = others, fitting
	}
	w := p.next()
	action, ok := actionNamed(w.text, fitting)
	if !ok {
		p.wrongAction(e, w, others)
		return
	}
	e.Action, e.Column = action, w.column
	p.value(e)
}

func (p *lineParser) wrongAction(e *Event, w word, others []Action) {
	_, other := actionNamed(w.text, others)
	switch {
	case other && e.Arrow == NoLink:
		p.fail(w, `%s happens to links: write "%s -> *", "* -> %s" or "%s <-> *" before it`, w.text, e.From, e.From, e.From)
	case other:
		p.fail(w, `%s happens to members: write "%s %s"`, w.text, e.From, w.text)
	case e.Arrow == NoLink:
		p.fail(w, `expected "->" or "<->" and members, or what happens to %s (%s), %s`, e.From, wordsOf(memberActions()), w.found())
	default:
		p.fail(w, "expected what happens to the link (%s), %s", wordsOf(linkActions()), w.found())
	}
}

func wordsOf(actions []Action) string {
	words := make([]string, len(actions))
	for i, action := range actions {
		words[i] = action.String()
	}
	return strings.Join(words, ", ")
}

// value reads what follows the action's word.
func (p *lineParser) value(e *Event) {
	var err error
	w := p.peek()
	switch e.Action {
	case Heal:
		e.Only = p.only()
	case Crash:
		p.crash(e)
	case Evict:
		e.Whom = p.name("the name, letter or number of who is to go")
		if p.accept("force") {
			e.Action = Force
		}
	case Drop, Repeat, Reorder:
		e.Percent, err = parsePercent(p.next().text, 0, 100)
	case Clock:
		e.Percent, err = parsePercent(p.next().text, clockMin, clockMax)
	case Delay:
		e.DelayMin, e.DelayMax, err = parseDelay(p.next().text)
	case Rate:
		e.BytesPerSecond, err = parseRate(p.next().text)
	}
	if err != nil {
		p.fail(w, "%v, %s", err, w.found())
	}
}

// only reads which failure heals, if just one does.
func (p *lineParser) only() Action {
	w := p.peek()
	if w.text == "" {
		return 0
	}
	failures := []Action{Cut, Drop, Delay, Rate, Repeat, Reorder}
	action, ok := actionNamed(p.next().text, failures)
	if !ok {
		p.fail(w, "expected the end of the line, or which failure heals (%s), %s", wordsOf(failures), w.found())
	}
	return action
}

// crash reads whether data is lost, or an older copy of it brought back.
func (p *lineParser) crash(e *Event) {
	w := p.peek()
	switch {
	case w.text == "":
	case p.accept("losing"):
		p.expect("data")
		e.Action = CrashLosingData
	case p.accept("restoring"):
		p.expect("data")
		p.expect("of")
		e.Action, e.Age = CrashRestoring, p.duration()
		p.expect("ago")
	default:
		p.fail(w, `expected the end of the line, "losing data" or "restoring data of 2s ago", %s`, w.found())
	}
}

// expect takes the next word, which must be text.
func (p *lineParser) expect(text string) {
	if w := p.peek(); !p.accept(text) {
		p.fail(w, "expected %q, %s", text, w.found())
	}
}
