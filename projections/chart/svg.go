package chart

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"golang.org/x/image/font"
)

// svg is a surface that writes SVG. Colours are classes with a style sheet inside, for light and dark
// pages; no script and no address of elsewhere is in it, so it may stand in any page.
type svg struct {
	faces
	b strings.Builder
}

func newSVG(c Chart, o Options) *svg {
	s := &svg{faces: newFaces(1)}
	fmt.Fprintf(&s.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s" class="chart">`+"\n",
		o.Width, o.Height, o.Width, o.Height, escape(describe(c)))
	s.b.WriteString("<style>.chart{font:12px system-ui,'Segoe UI','Liberation Sans',Arial,sans-serif}.chart .t{font-size:14px;font-weight:600}")
	for i, k := range inks {
		fmt.Fprintf(&s.b, ".chart .f-%s{fill:#%s}.chart .l-%s{stroke:#%s;fill:none}", k.name, k.light, k.name, k.light)
		if i == int(firstSeries) {
			s.b.WriteString("\n")
		}
	}
	s.b.WriteString("\n@media (prefers-color-scheme:dark){")
	for _, k := range inks {
		fmt.Fprintf(&s.b, ".chart .f-%s{fill:#%s}.chart .l-%s{stroke:#%s}", k.name, k.dark, k.name, k.dark)
	}
	s.b.WriteString("}</style>\n")
	fmt.Fprintf(&s.b, `<rect class="f-paper" width="%d" height="%d"/>`+"\n", o.Width, o.Height)
	return s
}

// describe says in a sentence what the chart shows, for readers who do not see it.
func describe(c Chart) string {
	points := 0
	for _, s := range c.Series {
		points += len(s.Points)
	}
	over := c.XAxis
	if over == "" {
		over = "time"
	}
	return fmt.Sprintf("%s: %d series, %d points over %s", c.Title, len(c.Series), points, over)
}

func (s *svg) line(c ink, width float64, dashed bool, along ...place) {
	if len(along) < 2 {
		return
	}
	fmt.Fprintf(&s.b, `<polyline class="l-%s" stroke-width="%s"`, inks[c].name, px(width))
	if dashed {
		s.b.WriteString(` stroke-dasharray="5 4"`)
	}
	s.b.WriteString(` stroke-linejoin="round" points="`)
	for i, p := range along {
		if i > 0 {
			s.b.WriteByte(' ')
		}
		s.b.WriteString(px(p.x) + "," + px(p.y))
	}
	s.b.WriteString("\"/>\n")
}

func (s *svg) bar(c ink, x, y, width, height float64, p *Point) {
	s.linked(p, fmt.Sprintf(`<rect class="f-%s" x="%s" y="%s" width="%s" height="%s"`, inks[c].name, px(x), px(y), px(width), px(height)), "rect")
}

func (s *svg) dot(c ink, at place, p *Point) {
	if p.Pass {
		s.linked(p, fmt.Sprintf(`<circle class="f-%s" cx="%s" cy="%s" r="2.5"`, inks[c].name, px(at.x), px(at.y)), "circle")
		return
	}
	const r = 3.5
	s.linked(p, fmt.Sprintf(`<path class="l-%s" stroke-width="2" d="M%s %sl7 7m0 -7l-7 7"`, inks[bad].name, px(at.x-r), px(at.y-r)), "path")
}

// linked writes an element with a point's note as its title, inside the point's link.
func (s *svg) linked(p *Point, element, name string) {
	switch {
	case p == nil || p.Note == "" && p.Link == "":
		s.b.WriteString(element + "/>\n")
		return
	case p.Note != "":
		element += "><title>" + escape(p.Note) + "</title></" + name + ">"
	default:
		element += "/>"
	}
	// Only addresses within the site: a note or a link may stem from a stranger's job.
	if strings.HasPrefix(p.Link, "/") && !strings.HasPrefix(p.Link, "//") {
		element = `<a href="` + escape(p.Link) + `">` + element + "</a>"
	}
	s.b.WriteString(element + "\n")
}

func (s *svg) text(c ink, at place, from anchor, title bool, words string) {
	fmt.Fprintf(&s.b, `<text class="f-%s%s" x="%s" y="%s"%s>%s</text>`+"\n", inks[c].name,
		map[bool]string{true: " t"}[title], px(at.x), px(at.y),
		[...]string{start: "", middle: ` text-anchor="middle"`, end: ` text-anchor="end"`}[from], escape(words))
}

func (s *svg) write(w io.Writer) error {
	s.b.WriteString("</svg>\n")
	_, err := io.WriteString(w, s.b.String())
	return err
}

// px writes a length with a tenth of a pixel, which is as fine as anybody sees.
func px(v float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
}

func escape(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}

// faces are the two sizes of text. Both backends measure with them.
type faces struct{ label, title font.Face }

func (f faces) of(title bool) font.Face {
	if title {
		return f.title
	}
	return f.label
}

func (f faces) width(title bool, words string) float64 {
	return float64(font.MeasureString(f.of(title), words)) / 64
}
