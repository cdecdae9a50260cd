// Package chart draws results over time, or over the builds and other metadata of their jobs, as SVG
// for pages and as PNG for mail.
//
// A [Chart] is data alone, in the shape in which a browser gets it as JSON. [Draw] lays it out once,
// on a surface that one of two backends gives: both show the same picture.
//
//	Chart ── layout ──▶ surface ──┬─▶ svg:    text, classes, titles on points; colours follow the page
//	                              └─▶ raster: PNG, anti-aliased, in a light or a dark theme
//
// Nothing here asks a clock, a network or a font of the machine, so the same chart gives the same bytes.
package chart

import (
	"fmt"
	"io"
	"math"
	"time"
)

// Representation says how the points of a series are joined. The words are LAVA's.
type Representation string

// The representations.
const (
	Lines Representation = "lines"
	Bars  Representation = "bars"
)

// Chart is what one drawing shows.
type Chart struct {
	Title          string         `json:"title"`
	Unit           string         `json:"unit,omitempty"`            // of the values; seconds, %
	XAxis          string         `json:"xaxis_attribute,omitempty"` // metadata key; empty is the date
	Representation Representation `json:"representation"`            // empty is lines
	Target         *float64       `json:"target_goal,omitempty"`
	Percentage     bool           `json:"is_percentage,omitempty"` // values are 0–100, and so is the axis
	Plain          bool           `json:"plain,omitempty"`         // without a legend
	Trend          int            `json:"trend,omitempty"`         // a line through medians of so many points; 0 has none
	Series         []Series       `json:"series"`
}

// Series is one line, or the bars of one colour.
type Series struct {
	Name   string  `json:"name"`
	Points []Point `json:"points"`
}

// Point is one result.
type Point struct {
	At    time.Time `json:"date"`
	X     string    `json:"attribute,omitempty"` // value of the chart's metadata key
	Value float64   `json:"value"`
	Pass  bool      `json:"pass"`           // a point that did not pass is drawn as a cross
	Link  string    `json:"link,omitempty"` // page of the result, within the site
	Note  string    `json:"note,omitempty"` // shown when a reader points at it
}

// Options say how a chart is drawn.
type Options struct {
	Width  int     // pixels, 320–4,000; 0 is 720
	Height int     // pixels, 160–2,000; 0 is 300
	Dark   bool    // PNG only: an SVG follows the page
	Scale  float64 // PNG only: device pixels a pixel, 1–4; 0 is 2
}

// MaxPoints is how many points are drawn, over all series. More of them are thinned evenly, and the
// drawing says so.
const MaxPoints = 20_000

// fill returns the options with defaults in place, or says which is out of range.
func (o Options) fill() (Options, error) {
	if o.Width == 0 {
		o.Width = 720
	}
	if o.Height == 0 {
		o.Height = 300
	}
	if o.Scale == 0 {
		o.Scale = 2
	}
	switch {
	case o.Width < 320 || o.Width > 4000:
		return o, fmt.Errorf("width %d: want 320 to 4000 pixels", o.Width)
	case o.Height < 160 || o.Height > 2000:
		return o, fmt.Errorf("height %d: want 160 to 2000 pixels", o.Height)
	case o.Scale < 1 || o.Scale > 4 || math.IsNaN(o.Scale):
		return o, fmt.Errorf("scale %g: want 1 to 4", o.Scale)
	}
	return o, nil
}

// Draw writes c as svg or png.
func Draw(w io.Writer, format string, c Chart, o Options) error {
	o, err := o.fill()
	if err != nil {
		return fmt.Errorf("draw a chart: %w", err)
	}
	switch format {
	case "svg":
		s := newSVG(c, o)
		layout(s, c, o)
		return s.write(w)
	case "png":
		s := newRaster(o)
		layout(s, c, o)
		return s.write(w)
	}
	return fmt.Errorf("draw a chart as %q: want svg or png", format)
}
