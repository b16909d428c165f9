package diagram

import (
	"fmt"
	"strings"
)

// palette is the colours of a theme. Those of members are after Okabe and Ito
// (2008), tuned to a contrast of 3:1 on the card and to be told apart by
// colour-blind eyes; colour is never the only sign.
type palette struct {
	ground, card, ink, mute, line, link string
	bad, badGround                      string
	members, on                         [memberColours]string // and what stands on them
}

// memberColours is how many colours members have; then they begin again.
const memberColours = 5

func light() palette {
	return palette{
		ground: "#f2f3f0", card: "#ffffff", ink: "#14171a", mute: "#586069", line: "#e0e3de", link: "#8d959c",
		bad: "#b93a06", badGround: "#fdebe3",
		members: [memberColours]string{"#004f8c", "#c77d00", "#00805c", "#b0508a", "#3598ce"},
		on:      [memberColours]string{"#ffffff", "#101214", "#ffffff", "#ffffff", "#101214"},
	}
}

func dark() palette {
	return palette{
		ground: "#0d1013", card: "#15191e", ink: "#eceff1", mute: "#9aa5af", line: "#262c33", link: "#6b757f",
		bad: "#ff8a61", badGround: "#2b1912",
		members: [memberColours]string{"#4ea6ea", "#f4b43c", "#2fc197", "#e893c5", "#a5dcfb"},
		on:      [memberColours]string{"#101214", "#101214", "#101214", "#101214", "#101214"},
	}
}

// rules writes the colours as rules of a style sheet. They are spelled out,
// for many viewers of pictures know no variables.
func (p palette) rules() string {
	var b strings.Builder
	fmt.Fprintf(&b, ".ground{fill:%s}.card{fill:%s;stroke:%s}.ink{fill:%s}.mute{fill:%s}.badink{fill:%s;stroke:%s}.said{fill:%s;stroke:%s}",
		p.ground, p.card, p.line, p.ink, p.mute, p.bad, p.card, p.ink, p.card)
	fmt.Fprintf(&b, ".lane{stroke:%s}.dead{stroke:%s}.grid{stroke:%s}.rest,.row{stroke:%s}.restfill{fill:%s}.edge{stroke:%s}",
		p.ink, p.mute, p.line, p.link, p.link, p.card)
	fmt.Fprintf(&b, ".bad{stroke:%s}.badfill{fill:%s}.wash{fill:%s}.cardfill{fill:%s}", p.bad, p.bad, p.badGround, p.card)
	for i := range memberColours {
		fmt.Fprintf(&b, ".f%d{fill:%s}.s%d{stroke:%s}.o%d{fill:%s}", i, p.members[i], i, p.members[i], i, p.on[i])
	}
	return b.String()
}

// styleSheet is the style of a picture, for light and dark.
func styleSheet() string {
	const shapes = `text{font:12px -apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
.title{font-size:20px;font-weight:680}.what{font-size:13px}.who{font-size:14px;font-weight:700;text-anchor:middle;dominant-baseline:central}
.label{font-size:11.5px;font-weight:700;text-anchor:middle;dominant-baseline:central}.fault{font-weight:600;paint-order:stroke;stroke-width:4px}
.mid{text-anchor:middle}.end{text-anchor:end}
.lane{stroke-width:1.6}.dead{stroke-width:1.6;stroke-dasharray:1 5}.still{stroke-dasharray:7 4}.out{stroke-dasharray:9 3 1 3}
.frame{fill:none;stroke-width:1.6}.row{stroke-width:1.1;stroke-dasharray:4 3}.gone{stroke-dasharray:2 3;stroke-width:1.4}.rest{stroke-width:.7;opacity:.45}
.x{fill:none;stroke-width:2.2;stroke-linecap:round}.wait{stroke-width:4;opacity:.5;stroke-linecap:round}.edge{stroke-width:1.5}.ring{stroke-width:2.2}
`
	return shapes + light().rules() + "\n@media(prefers-color-scheme:dark){" + dark().rules() + "}"
}
