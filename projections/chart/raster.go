package chart

import (
	"fmt"
	"image/color"
	"io"

	"git.sr.ht/~sbinet/gg"
	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
)

// raster is a surface of pixels.
type raster struct {
	faces       // at the size of the picture, for drawing
	flat  faces // at scale 1, for measuring: the layout must not depend on the scale
	dc    *gg.Context
	dark  bool
	scale float64
}

func newRaster(o Options) *raster {
	r := &raster{
		faces: newFaces(o.Scale), flat: newFaces(1), dark: o.Dark, scale: o.Scale,
		dc: gg.NewContext(int(float64(o.Width)*o.Scale), int(float64(o.Height)*o.Scale)),
	}
	r.dc.SetColor(r.colour(paper))
	r.dc.Clear()
	return r
}

// newFaces returns the fonts that are built in, at a scale.
func newFaces(scale float64) faces {
	face := func(ttf []byte, size float64) font.Face {
		f, err := opentype.Parse(ttf)
		if err != nil {
			panic(fmt.Sprintf("chart: a font that is built in cannot be read: %v", err))
		}
		made, err := opentype.NewFace(f, &opentype.FaceOptions{Size: size * scale, DPI: 72})
		if err != nil {
			panic(fmt.Sprintf("chart: a font that is built in has no size %g: %v", size, err))
		}
		return made
	}
	return faces{label: face(goregular.TTF, 12), title: face(gobold.TTF, 14)}
}

func (r *raster) colour(c ink) color.Color {
	hex := inks[c].light
	if r.dark {
		hex = inks[c].dark
	}
	var rgb color.RGBA
	rgb.A = 0xff
	if _, err := fmt.Sscanf(hex, "%02x%02x%02x", &rgb.R, &rgb.G, &rgb.B); err != nil {
		panic(fmt.Sprintf("chart: colour %q: %v", hex, err))
	}
	return rgb
}

func (r *raster) line(c ink, width float64, dashed bool, along ...place) {
	if len(along) < 2 {
		return
	}
	r.dc.SetColor(r.colour(c))
	r.dc.SetLineWidth(width * r.scale)
	if dashed {
		r.dc.SetDash(5*r.scale, 4*r.scale)
		defer r.dc.SetDash()
	}
	r.dc.MoveTo(along[0].x*r.scale, along[0].y*r.scale)
	for _, p := range along[1:] {
		r.dc.LineTo(p.x*r.scale, p.y*r.scale)
	}
	r.dc.Stroke()
}

func (r *raster) bar(c ink, x, y, width, height float64, _ *Point) {
	r.dc.SetColor(r.colour(c))
	r.dc.DrawRectangle(x*r.scale, y*r.scale, width*r.scale, height*r.scale)
	r.dc.Fill()
}

func (r *raster) dot(c ink, at place, p *Point) {
	if p.Pass {
		r.dc.SetColor(r.colour(c))
		r.dc.DrawCircle(at.x*r.scale, at.y*r.scale, 2.5*r.scale)
		r.dc.Fill()
		return
	}
	const d = 3.5
	r.line(bad, 2, false, place{at.x - d, at.y - d}, place{at.x + d, at.y + d})
	r.line(bad, 2, false, place{at.x + d, at.y - d}, place{at.x - d, at.y + d})
}

func (r *raster) text(c ink, at place, from anchor, title bool, words string) {
	r.dc.SetFontFace(r.of(title))
	r.dc.SetColor(r.colour(c))
	r.dc.DrawStringAnchored(words, at.x*r.scale, at.y*r.scale, [...]float64{start: 0, middle: 0.5, end: 1}[from], 0)
}

func (r *raster) width(title bool, words string) float64 { return r.flat.width(title, words) }

func (r *raster) write(w io.Writer) error {
	if err := r.dc.EncodePNG(w); err != nil {
		return fmt.Errorf("write a chart as PNG: %w", err)
	}
	return nil
}
