package chart_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strata/projections/chart"
)

var update = flag.Bool("update", false, "write the golden drawings anew")

var day0 = time.Date(2026, 8, 20, 3, 0, 0, 0, time.UTC)

// charts are what people look at: pass rates, a measurement against its goal, values by build.
func charts() map[string]chart.Chart {
	goal := 6.5
	boot := chart.Chart{Title: "Boot time, beaglebone-black", Unit: "seconds", Target: &goal, Series: []chart.Series{{Name: "boot-time"}}}
	rate := chart.Chart{Title: "Passed, nightly", Unit: "%", Percentage: true, Series: []chart.Series{{Name: "0_smoke"}, {Name: "1_ltp-syscalls"}}}
	for i := range 90 {
		at := day0.AddDate(0, 0, i)
		v := 5 + math.Sin(float64(i)/7)*0.4 + float64(i*7919%13)/20
		if i > 60 {
			v += 1.1
		}
		boot.Series[0].Points = append(boot.Series[0].Points, chart.Point{At: at, Value: v, Pass: v < goal, Link: fmt.Sprintf("/results/testcase/%d", i), Note: fmt.Sprintf("job %d: %.2f s", i, v)})
		for s := range rate.Series {
			rate.Series[s].Points = append(rate.Series[s].Points, chart.Point{At: at, Value: 100 - float64((i+s*5)*31%17), Pass: (i+s)%11 != 0})
		}
	}
	builds := chart.Chart{Title: "Throughput by kernel", Unit: "MB/s", XAxis: "kernel", Representation: chart.Bars, Series: []chart.Series{{Name: "read"}, {Name: "write"}}}
	for i, k := range []string{"6.9", "6.10", "6.11", "6.12-rc1"} {
		builds.Series[0].Points = append(builds.Series[0].Points, chart.Point{X: k, Value: 410 + float64(i*23), Pass: true})
		builds.Series[1].Points = append(builds.Series[1].Points, chart.Point{X: k, Value: 290 - float64(i*40), Pass: i < 3})
	}
	// Several jobs of each build, and what they come to.
	many := chart.Chart{Title: "Memory left, by build", Unit: "MiB", XAxis: "build", Plain: true, Series: []chart.Series{{Name: "qemu"}, {Name: "rpi-4"}}}
	for i := range 60 {
		many.Series[i%2].Points = append(many.Series[i%2].Points, chart.Point{At: day0.Add(time.Duration(i) * time.Hour), X: fmt.Sprint("v", 8+i/10),
			Value: 300 + float64(i%2*60) - float64(i*7919%29) + float64(i/10*4), Pass: i%17 != 3})
	}
	bars := many
	bars.Representation, bars.Plain = chart.Bars, false
	trend := boot
	trend.Trend = 15
	return map[string]chart.Chart{"many": many, "medians": bars, "trend": trend, "boot": boot, "rate": rate, "builds": builds, "empty": {Title: "Nothing yet", Series: []chart.Series{{Name: "0_smoke"}}}}
}

func draw(t *testing.T, format string, c chart.Chart, o chart.Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := chart.Draw(&b, format, c, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The golden drawings were looked at when they were made. -update writes them anew: look again.
func TestDraw(t *testing.T) {
	t.Parallel()
	for name, c := range charts() {
		got := draw(t, "svg", c, chart.Options{})
		file := filepath.Join("testdata", name+".svg")
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from what it was; go test ./projections/chart -update, and look at it", file)
		}
		if err := xml.Unmarshal(got, new(struct{})); err != nil {
			t.Errorf("%s is no XML: %v", name, err)
		}
	}
}

// A picture has the size that was asked for, has ink of the theme's paper, and is the same each time.
func TestDrawPNG(t *testing.T) {
	t.Parallel()
	c := charts()["boot"]
	for _, o := range []chart.Options{{}, {Width: 400, Height: 200, Scale: 1, Dark: true}} {
		first := draw(t, "png", c, o)
		if !bytes.Equal(first, draw(t, "png", c, o)) {
			t.Error("drawn twice it differs")
		}
		m, err := png.Decode(bytes.NewReader(first))
		if err != nil {
			t.Fatal(err)
		}
		width, height := 1440, 600
		if o.Width != 0 {
			width, height = o.Width, o.Height
		}
		if b := m.Bounds(); b.Dx() != width || b.Dy() != height {
			t.Errorf("%v; want %d×%d", b, width, height)
		}
		r, _, _, _ := m.At(0, 0).RGBA()
		if bright := r > 0x8000; bright == o.Dark {
			t.Errorf("dark %t, and its corner is %x", o.Dark, r)
		}
	}
}

// A title, a name or a note of a stranger's job stays text, and no link leads out of the site.
func TestDrawHostile(t *testing.T) {
	t.Parallel()
	evil := `"><script>alert(1)</script>` + "\x00\x1b[31m"
	c := chart.Chart{Title: evil, Unit: evil, XAxis: evil, Series: []chart.Series{{Name: evil, Points: []chart.Point{
		{X: evil, Value: 1, Note: evil, Link: "javascript:alert(1)"}, {X: "b", Value: math.NaN()}, {X: "c", Value: math.Inf(1)},
		{X: "d", Value: 2, Note: "n", Link: "//elsewhere/"}, {X: "e", Value: -1e308, Pass: true}, {X: "f", Value: 1e308, Pass: true},
	}}}}
	for _, r := range []chart.Representation{chart.Lines, chart.Bars} {
		c.Representation = r
		got := string(draw(t, "svg", c, chart.Options{Width: 320, Height: 160}))
		for _, never := range []string{"<script", "href", "NaN", "Inf", "\x00", "\x1b"} {
			if strings.Contains(got, never) {
				t.Errorf("%s: %q in the drawing", r, never)
			}
		}
		if err := xml.Unmarshal([]byte(got), new(struct{})); err != nil {
			t.Errorf("%s is no XML: %v", r, err)
		}
		draw(t, "png", c, chart.Options{Width: 320, Height: 160})
	}
}

// A million points are thinned to what can be seen; every failure stays.
func TestDrawMany(t *testing.T) {
	t.Parallel()
	c := chart.Chart{Title: "many", Series: []chart.Series{{Name: "s"}}}
	for i := range 1_000_000 {
		c.Series[0].Points = append(c.Series[0].Points, chart.Point{At: day0.Add(time.Duration(i) * time.Minute), Value: float64(i % 97), Pass: i%100_000 != 7})
	}
	got := draw(t, "svg", c, chart.Options{})
	if len(got) > 1<<20 || !bytes.Contains(got, []byte("1 of 50 points")) {
		t.Errorf("%d bytes; want at most 1 MiB, and that it says how much it shows", len(got))
	}
	if n := bytes.Count(got, []byte("<path")); n != 10 {
		t.Errorf("%d failures; want all 10", n)
	}
}

func TestDrawRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		format string
		o      chart.Options
		want   string
	}{
		{"gif", chart.Options{}, `as "gif": want svg or png`},
		{"svg", chart.Options{Width: 10}, "width 10: want 320 to 4000"},
		{"png", chart.Options{Height: 9999}, "height 9999: want 160 to 2000"},
		{"png", chart.Options{Scale: 9}, "scale 9: want 1 to 4"},
	} {
		if err := chart.Draw(io.Discard, tt.format, chart.Chart{}, tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v; want %q", err, tt.want)
		}
	}
	full := errors.New("disk full")
	for _, format := range []string{"svg", "png"} {
		if err := chart.Draw(broken{full}, format, chart.Chart{}, chart.Options{}); !errors.Is(err, full) {
			t.Errorf("%s: %v", format, err)
		}
	}
}

// broken is a writer that fails.
type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }
