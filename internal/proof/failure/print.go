package failure

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// String returns the map as text, in columns, a line each event. It reads back
// as the same map (without Source and Column).
func (m Map) String() string {
	var whenWidth, whereWidth int
	for i := range m {
		whenWidth = max(whenWidth, utf8.RuneCountInString(m[i].when()))
		whereWidth = max(whereWidth, utf8.RuneCountInString(m[i].where()))
	}
	var text strings.Builder
	for i := range m {
		fmt.Fprintf(&text, "%-*s  %-*s  %s\n", whenWidth, m[i].when(), whereWidth, m[i].where(), m[i].what())
	}
	return text.String()
}

// String returns the event as a line of a map.
func (e Event) String() string {
	return e.when() + " " + e.where() + " " + e.what()
}

func (e *Event) when() string {
	if e.Every == 0 && e.Until == 0 {
		return formatDuration(e.At)
	}
	return fmt.Sprintf("%s every %s until %s", formatDuration(e.At), formatDuration(e.Every), formatDuration(e.Until))
}

func (e *Event) where() string {
	if e.Arrow == NoLink {
		return e.From.String()
	}
	return e.From.String() + " " + e.Arrow.String() + " " + e.To.String()
}

func (e *Event) what() string {
	switch e.Action {
	case Heal:
		if e.Only != 0 {
			return "heal " + e.Only.String()
		}
	case Drop, Repeat, Reorder, Clock:
		return e.Action.String() + " " + formatPercent(e.Percent)
	case Delay:
		return e.Action.String() + " " + formatDelay(e.DelayMin, e.DelayMax)
	case Rate:
		return e.Action.String() + " " + formatRate(e.BytesPerSecond)
	case CrashRestoring:
		return e.Action.String() + " of " + formatDuration(e.Age) + " ago"
	case Evict:
		return e.Action.String() + " " + e.Whom
	case Force:
		return e.Action.String() + " " + e.Whom + " force"
	}
	return e.Action.String()
}

// String returns the group as written in a map: "*", "* except a,b" or "a,b".
func (g Group) String() string {
	names := strings.Join(g.Names, ",")
	switch {
	case !g.All:
		return names
	case len(g.Names) == 0:
		return "*"
	default:
		return "* except " + names
	}
}

// String returns the arrow as written in a map.
func (a Arrow) String() string {
	switch a {
	case NoLink:
		return ""
	case OneWay:
		return "->"
	case BothWays:
		return "<->"
	default:
		return fmt.Sprintf("Arrow(%d)", uint8(a))
	}
}

// String returns the word or words for the action in a map.
func (a Action) String() string {
	switch a {
	case Cut:
		return "cut"
	case Heal:
		return "heal"
	case Drop:
		return "drop"
	case Delay:
		return "delay"
	case Rate:
		return "rate"
	case Repeat:
		return "repeat"
	case Reorder:
		return "reorder"
	default:
		return a.memberWord()
	}
}

func (a Action) memberWord() string {
	switch a {
	case Crash:
		return "crash"
	case CrashLosingData:
		return "crash losing data"
	case Kill:
		return "kill"
	case CrashRestoring:
		return "crash restoring data"
	case Pause:
		return "pause"
	case Resume:
		return "resume"
	case Restart:
		return "restart"
	case Start:
		return "start"
	case Clock:
		return "clock"
	case Evict, Force:
		return "evict"
	case Return:
		return "return"
	case Join:
		return "join"
	case Stop:
		return "stop"
	case Leave:
		return "leave"
	case Observe:
		return "observe"
	default:
		return fmt.Sprintf("Action(%d)", uint8(a))
	}
}
