package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// The plot's measures, in pixels.
const (
	plotWidth  = 960
	labelWidth = 330
	axisWidth  = 470
	rowHeight  = 18
	headHeight = 42
	barHeight  = 11
)

// scale is the share of the limit at the right end of the axis.
const scale = 1.2

// marks are the shapes and colours of baselines, in the order in which they come up.
var marks = []string{"#c2410c", "#7e22ce", "#0f766e", "#b91c1c", "#4d7c0f"}

// WriteSVG writes a plot of the rates: a bar for each row, as a share of its limit, and a mark for each of its baselines.
func (r *Results) WriteSVG(w io.Writer) error {
	var rows, body strings.Builder
	y, seen := 34, []string{}
	for _, group := range r.groups() {
		text := about(group)
		drawn := slices.DeleteFunc(r.of(group), func(row Row) bool {
			_, limited := row.Get("x-" + Limit)
			return !limited || text.plotted != nil && !text.plotted(row)
		})
		if len(drawn) == 0 {
			continue
		}
		y += headHeight
		fmt.Fprintf(&rows, `<text x="8" y="%d" class="h">%s</text>`+"\n", y-14, xml(text.title))
		top := y - 6
		for _, row := range drawn {
			drawRow(&rows, row, text.unmarked, y, &seen)
			y += rowHeight
		}
		grid(&body, top, y)
	}
	height := y + 28
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">`+"\n",
		plotWidth, height, plotWidth, height)
	fmt.Fprint(w, "<style>.h{font-size:14px;font-weight:bold}.b{fill:#3b82f6}.g{stroke:#d4d4d8}.l{stroke:#111827;stroke-width:2}.n{text-anchor:end}</style>\n")
	fmt.Fprintf(w, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", plotWidth, height)
	legend(w, seen)
	_, err := io.WriteString(w, body.String()+rows.String()+"</svg>\n")
	return err
}

// drawRow writes a row's label, bar, marks and rate.
func drawRow(b *strings.Builder, row Row, unmarked string, y int, seen *[]string) {
	rate, _ := row.Rate()
	limit, ok := row.Get(Limit + "-" + rate.Unit)
	if !ok || limit <= 0 {
		return
	}
	var label []string
	for _, k := range row.Keys {
		if k.Name == "" || k.Name == "backend" || k.Name == "by" || k.Name == "store" {
			label = append(label, k.Value)
		} else {
			label = append(label, k.Name+" "+k.Value)
		}
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" class="n">%s</text>`, labelWidth-8, y+barHeight-2, xml(strings.Join(label, ", ")))
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" class="b"/>`, labelWidth, y, at(rate.Value/limit)-labelWidth, barHeight)
	for _, name := range row.Others() {
		if name == Limit || name == unmarked {
			continue
		}
		other, _ := row.Get(name + "-" + rate.Unit)
		i := slices.Index(*seen, name)
		if i < 0 {
			i, *seen = len(*seen), append(*seen, name)
		}
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s" stroke="#ffffff"/>`, at(other/limit), float64(y)+barHeight/2.0, marks[i%len(marks)])
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" class="n">%s %s</text>`+"\n", plotWidth-8, y+barHeight-2, number(rate.Value), xml(rate.Unit))
}

// grid writes the lines of the axis behind the rows from top to bottom. The one of the limit is strong.
func grid(b *strings.Builder, top, bottom int) {
	for i := 0; i <= 5; i++ {
		x, class := at(float64(i)/5), "g"
		if i == 5 {
			class = "l"
		}
		fmt.Fprintf(b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" class="%s"/>`, x, top, x, bottom, class)
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle" fill="#71717a">%d %%</text>`+"\n", x, top-3, 20*i)
	}
}

// legend says what bars and marks are.
func legend(w io.Writer, names []string) {
	x := labelWidth
	fmt.Fprintf(w, `<text x="8" y="20" class="h">Rates as a share of the limit</text>`)
	fmt.Fprintf(w, `<rect x="%d" y="11" width="18" height="%d" class="b"/><text x="%d" y="20">the row</text>`, x, barHeight, x+24)
	x += 78
	for i, name := range names {
		fmt.Fprintf(w, `<circle cx="%d" cy="16" r="4" fill="%s"/><text x="%d" y="20">%s</text>`, x+4, marks[i%len(marks)], x+13, xml(name))
		x += 30 + 6*len(name)
	}
	fmt.Fprintf(w, `<line x1="%d" y1="10" x2="%d" y2="23" class="l"/><text x="%d" y="20">the limit</text>`+"\n", x+4, x+4, x+12)
}

// at returns where a share of the limit is on the axis. What lies beyond its end is drawn at it.
func at(share float64) float64 { return labelWidth + axisWidth*min(max(share, 0), scale)/scale }

func xml(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}
