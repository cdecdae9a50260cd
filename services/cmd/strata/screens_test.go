package main

import (
	"os"
	"path/filepath"
	"testing"

	"strata/services/web/browser"
)

// TestScreens takes the pictures of docs/screens; `make screens` names their folder in STRATA_SCREENS. They are made
// of the same lab as the browser tests, so a page that looks wrong there looks wrong here.
func TestScreens(t *testing.T) {
	t.Parallel()
	into := os.Getenv("STRATA_SCREENS")
	if into == "" {
		t.Skip("SKIPPED: takes the pictures of the manual; `make screens` does")
	}
	l := newPageLab(t)
	l.world.must(t, "devices", "health", "beagle-1", "Bad", "--reason", "no console since power on, twice")
	l.world.must(t, "devices", "health", "qemu-02", "Maintenance", "--reason", "new power supply")
	l.world.must(t, "devices", "tag", "qemu-01", "kvm")
	chromium := browser.Start(t)
	for _, look := range []struct {
		suffix string
		of     browser.Options
	}{
		{"", browser.Options{}},
		{"-dark", browser.Options{Dark: true}},
		{"-phone", browser.Options{Phone: true}},
	} {
		look.of.Lab, look.of.Headers = l.url, l.headers("")
		p := chromium.Open(t, look.of)
		for _, page := range []struct {
			name, path string
			all        bool // in every look, and not in light colours alone
		}{
			{"lab", "/", true},
			{"job-failed", "/scheduler/job/3", true},
			{"job-passed", "/scheduler/job/1", false},
			{"job-waits", "/scheduler/job/5", false},
			{"jobs", "/scheduler/alljobs", false},
			{"queue", "/scheduler/queue", false},
			{"device", "/scheduler/device/qemu-01", true},
			{"device-types", "/scheduler/device_types", false},
			{"submit", "/scheduler/job/1/resubmit", false},
			{"suite", "/results/1/0_smoke", false},
			{"matrix", "/results/matrix?device_type=qemu&suite=0_smoke", false},
			{"failures", "/scheduler/reports/failures?start=-1&end=0", false},
			{"utilisation", "/scheduler/reports/utilisation", false},
		} {
			if look.suffix != "" && !page.all {
				continue
			}
			if status := p.Go(page.path); status != 200 {
				t.Errorf("%s: status %d", page.path, status)
				continue
			}
			p.Await("document.fonts.status === 'loaded'")
			p.Picture(filepath.Join(into, page.name+look.suffix+".png"))
		}
	}
}
