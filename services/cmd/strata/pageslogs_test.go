package main

import (
	"testing"

	"strata/services/web/browser"
)

// logVisits are those of a log's own page. The log is that of a job that passed.
func logVisits() []visit {
	open := func(p *browser.Page) {
		p.Await("document.querySelector('log-view')?.done && document.querySelector('log-view').slots.some(s => s.record)")
	}
	return []visit{
		{route: "GET /scheduler/job/{job}/log", at: "/scheduler/job/7/log", task: "read a log", do: func(_ *testing.T, _ *pageLab, p *browser.Page) { open(p) }, shows: []string{"Log of job", "start: 0 validate"}},
		{route: "GET /scheduler/job/{job}/log", at: "/scheduler/job/7/log", task: "find a word, and go from hit to hit", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			open(p)
			p.Do(".lv-view", "focus", nil)
			p.Press("/")
			p.Fill(browser.Label("Search the log"), "start:")
			p.Await("document.querySelector('log-view').hits.done && document.querySelector('log-view').hit")
			p.Await("document.querySelector('.lv-count').textContent.startsWith('1 of')")
			p.Do(".lv-view", "focus", nil)
			p.Press("n")
			p.Await("document.querySelector('.lv-count').textContent.startsWith('2 of')")
			p.Press("N")
			p.Await("document.querySelector('.lv-count').textContent.startsWith('1 of')")
			p.Press("Escape")
			p.Await("document.querySelector('.lv-count').textContent === ''")
		}, shows: []string{"start: 0 validate"}},
		{route: "GET /scheduler/job/{job}/log", at: "/scheduler/job/7/log#L3-L5", task: "show others some lines", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			open(p)
			p.Await("document.querySelectorAll('.row.selected:not([hidden])').length === 3")
			p.Do(".row .no >> nth=1", "click", nil)
			p.Await("/^#L\\d+$/.test(location.hash)")
			p.Do(".row .no >> nth=4", "click", nil, map[string]any{"modifiers": []string{"Shift"}})
			p.Await("/^#L\\d+-L\\d+$/.test(location.hash)")
		}, shows: []string{"lines selected"}},
		{route: "GET /scheduler/job/{job}/log", at: "/scheduler/job/7/log", task: "hide what the dispatcher notes", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			open(p)
			p.Click("summary:has-text('Levels')")
			p.Do(".lv-levels label:has-text('Debug') input", "uncheck", nil)
			p.Await("!document.querySelector('.row.debug:not([hidden])') && document.querySelector('.row.info:not([hidden])')")
			p.Do(".lv-levels button", "click", nil)
			p.Await("document.querySelector('.row.debug:not([hidden])')")
			p.Press("Escape")
		}, shows: []string{"start: 0 validate"}},
		{route: "GET /scheduler/job/{job}/log", at: "/scheduler/job/7/log", task: "fold actions, by the keyboard alone", do: func(t *testing.T, _ *pageLab, p *browser.Page) {
			open(p)
			p.Await("document.querySelector('log-view').outline.sections.length > 0")
			var before, after int
			p.Eval("document.querySelector('log-view').places", &before)
			p.Do(".lv-view", "focus", nil)
			// Each key works on what the one before has drawn.
			p.Press("Home")
			p.Await("document.querySelector('log-view').first === 0")
			p.Press("}")
			p.Await("document.querySelector('log-view').outline.inside")
			p.Press("z")
			p.Await("document.querySelector('log-view').folded.size === 1 && document.querySelector('.folded')")
			p.Press("t", "w", "w", "Home")
			p.Eval("document.querySelector('log-view').places", &after)
			if after >= before {
				t.Errorf("%d rows of %d are left with an action folded", after, before)
			}
			p.Press("t", "t", "t")
		}, shows: []string{"start: 0 validate"}},
		{route: "GET /scheduler/job/{job}/log", at: "/scheduler/job/4/log", task: "follow a job that runs", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Await("document.querySelector('log-view')?.source.events && document.querySelector('.lv-follow').ariaPressed === 'true'")
			p.Click(browser.Button("Follow"))
			p.Await("document.querySelector('.lv-follow').ariaPressed === 'false'")
		}, shows: []string{"Follow"}},
	}
}
