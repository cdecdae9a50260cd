package main

import (
	"slices"
	"strings"
	"testing"

	"strata/services/api"
	"strata/services/web/browser"
)

// jobVisits are the lists of jobs and what stands below a job.
func jobVisits() []visit {
	lists := []visit{}
	for path, shows := range map[string]string{
		"alljobs": "smoke on beagle", "activejobs": "smoke on panda", "longestjobs": "smoke on panda", "healthcheck": "Health checks",
		"joberrors": "no console since power on", "myjobs": "smoke on qemu", "myactivejobs": "smoke on panda", "myqueuedjobs": "smoke on panda",
		"myerrorjobs": "no console since power on", "favorite-jobs": "Favourite jobs",
	} {
		lists = append(lists, visit{route: "GET /scheduler/" + path, at: "/scheduler/" + path, task: "find a job", shows: []string{shows}})
	}
	return append(lists, []visit{
		{route: "GET /scheduler/alljobs", at: "/scheduler/alljobs?search=beagle", task: "find a job by what it is about", do: func(t *testing.T, _ *pageLab, p *browser.Page) {
			p.See("smoke on beagle")
			if n := p.Count("table.rows tbody tr"); n != 1 {
				t.Errorf("%d jobs are about beagle, want 1", n)
			}
		}},
		{route: "GET /scheduler/alljobs", at: "/scheduler/alljobs", task: "choose how many rows there are, and then have them", do: func(t *testing.T, _ *pageLab, p *browser.Page) {
			p.Choose(".pager [name=length]", "10")
			var at string
			if p.Eval("location.search", &at); at != "" {
				t.Errorf("a choice alone leads to %s", at)
			}
			p.Click(".pager button")
			p.Await("location.search.includes('length=10')")
		}},
		{route: "GET /scheduler/alljobs", at: "/scheduler/alljobs", task: "see a job come", shows: []string{"smoke on beagle"}, live: func(t *testing.T, l *pageLab) {
			l.world.must(t, "submit", write(t, l.files, "new.yaml", replaced(seenJob, "smoke on KIND", "just come", "KIND", "panda")))
		}, news: "just come"},
		{route: "POST /scheduler/favorite-jobs", at: "/scheduler/favorite-jobs", task: "look at another's favourites", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("main input[name=username]", "alice")
			p.Press("Enter")
			p.Await("location.search === '?username=alice'")
		}},
		{route: "GET /scheduler/job/{job}", at: "/scheduler/job/3", task: "understand a failure", shows: []string{"Incomplete", "Infrastructure", "no console since power on", "Next"}},
		{route: "GET /scheduler/job/{job}", at: "/scheduler/job/5", task: "see why it waits", shows: []string{"Waits", "panda-1"},
			live: func(t *testing.T, l *pageLab) {
				l.call(t, "jobs.priority", map[string]any{"job": 5, "priority": 60})
			}, news: "priority 60"},
		{route: "GET /scheduler/job/{job}", at: "/scheduler/job/6", task: "see why it was refused", shows: []string{"Rejected", "actions"}},
		{route: "GET /scheduler/job/{job}", at: "/scheduler/job/99999", task: "be told that there is none", fails: 404, shows: []string{"Nothing here"}},
		{route: "GET /scheduler/job/{job}/definition", at: "/scheduler/job/3/definition", task: "read it", shows: []string{"smoke on beagle", "device_type"}},
		{route: "GET /scheduler/job/{job}/multinode_definition", at: "/scheduler/job/3/multinode_definition", task: "be told that it is no group's", fails: 404, shows: []string{"Nothing here"}},
		{route: "GET /scheduler/job/{job}/bundle", at: "/scheduler/job/7/bundle", task: "take it away in one file", file: "ustar"},
		{route: "GET /scheduler/job/{job}/compare", at: "/scheduler/job/2/compare?with=1", task: "see what differs", shows: []string{"Compare"}},
		{route: "POST /scheduler/job/{job}/priority", at: "/scheduler/job/5", task: "let it go first", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click("details.menu summary.button")
			p.Fill("form[action$='/priority'] input", "90")
			p.Click("form[action$='/priority'] button")
		}, shows: []string{"priority 90"}, then: func(t *testing.T, l *pageLab) { l.recorded(t, "job/5", "job.priority-set", "90") }},
		{route: "POST /scheduler/job/{job}/toggle_favorite", at: "/scheduler/job/3", task: "keep it", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click("form[action$='/toggle_favorite'] button")
			p.Do("form[action$='/toggle_favorite'] button[title='No favourite any more']", "waitFor", nil)
		}, then: func(t *testing.T, l *pageLab) { l.recorded(t, "job/3", "job.favoured") }},
		{route: "POST /scheduler/job/{job}/annotate_failure", at: "/scheduler/job/3", task: "say what it was about", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click("details.menu summary.button")
			p.Fill("#failure_comment", "the relay is stuck")
			p.Click("form[action$='/annotate_failure'] button")
		}, shows: []string{"the relay is stuck"}, then: func(t *testing.T, l *pageLab) { l.recorded(t, "job/3", "job.annotated", "the relay is stuck") }},
		{route: "POST /scheduler/job/{job}/cancel", at: "/scheduler/job/5", task: "end it", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click("form[action$='/cancel'] button")
		}, shows: []string{"Canceled"}, then: func(t *testing.T, l *pageLab) { l.recorded(t, "job/5", "job.cancel-requested", "local") }},
		{route: "POST /scheduler/job/{job}/fail", at: "/scheduler/job/3", task: "not be offered to fail what is over", do: func(t *testing.T, _ *pageLab, p *browser.Page) {
			if n := p.Count("form[action$='/fail']"); n != 0 {
				t.Errorf("a job that is over has %d forms to fail it", n)
			}
		}},
	}...)
}

// submitVisits are the editor.
func submitVisits() []visit {
	return []visit{
		{route: "GET /scheduler/jobsubmit", at: "/scheduler/jobsubmit", task: "write a definition", shows: []string{"Submit a job", "Validate", "Examples"}},
		{route: "GET /scheduler/jobsubmit/schema", at: "/scheduler/jobsubmit/schema", task: "have an editor know the keys", file: "device_type"},
		{route: "POST /scheduler/jobsubmit", at: "/scheduler/jobsubmit", task: "be told what is wrong, mend it, submit it", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("#definition-input", replaced(seenJob, "KIND", "qemu", "device_type:", "devise_type:"))
			p.Click(browser.Button("Validate"))
			p.See("device_type")
			p.Complaints()                                           // the browser may say that the answer was a 400
			p.Do("#problems button >> nth=0", "press", nil, "Enter") // a problem leads to its place, by keys too
			p.Await("document.activeElement.id === 'definition-input'")
			p.Fill("#definition-input", replaced(seenJob, "smoke on KIND", "by hand", "KIND", "qemu"))
			p.Click(browser.Button("Submit"))
			p.Await("/^.scheduler.job.[0-9]+$/.test(location.pathname)")
			p.See("by hand")
		}, then: func(t *testing.T, l *pageLab) {
			eventually(t, "the newest job is the one that was typed", func() bool {
				var all api.Jobs
				l.world.ask(t, &all, "jobs", "--all")
				return len(all.Jobs) > 0 && all.Jobs[0].Name == "by hand" && all.Jobs[0].User == "local"
			})
		}},
		{route: "POST /scheduler/jobsubmit", at: "/scheduler/jobsubmit", task: "submit a job and end it, by the keyboard alone", do: func(t *testing.T, _ *pageLab, p *browser.Page) {
			// The only panda has a job that hangs, so this one waits until it is ended.
			tabTo(t, p, "#definition-input")
			p.Do("", "keyboard.insertText", nil, replaced(seenJob, "smoke on KIND", "typed", "KIND", "panda"))
			p.Press("Escape") // what the editor offers would take the next Tab
			tabTo(t, p, "#submit button[name=submit]")
			p.Press("Enter")
			p.Await("/^.scheduler.job.[0-9]+$/.test(location.pathname)")
			p.See("typed", "Waits")
			tabTo(t, p, "form[action$='/cancel'] button")
			p.Press("Enter")
			p.Await("!document.querySelector(\"form[action$='/cancel']\")")
		}, shows: []string{"Canceled"}, then: func(t *testing.T, l *pageLab) {
			var typed api.Job
			eventually(t, "the job is listed", func() bool {
				var all api.Jobs
				l.world.ask(t, &all, "jobs", "--all")
				i := slices.IndexFunc(all.Jobs, func(j api.Job) bool { return j.Name == "typed" })
				if i >= 0 {
					typed = all.Jobs[i]
				}
				return i >= 0
			})
			l.recorded(t, "job/"+typed.Job.String(), "job.cancel-requested", "local")
		}},
		{route: "GET /scheduler/job/{job}/resubmit", at: "/scheduler/job/1/resubmit", task: "begin with what it was", do: func(t *testing.T, _ *pageLab, p *browser.Page) {
			var text string
			p.Do("#definition-input", "inputValue", &text)
			if want := replaced(seenJob, "KIND", "qemu"); text != want {
				t.Errorf("the editor has %q, want %q", text, want)
			}
		}},
		{route: "POST /scheduler/job/{job}/resubmit", at: "/scheduler/job/1/resubmit", task: "submit it once more", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click(browser.Button("Submit"))
			p.Await("/^.scheduler.job.[0-9]+$/.test(location.pathname) && location.pathname !== '/scheduler/job/1'")
			p.See("smoke on qemu")
		}},
	}
}

// resultVisits are the results, the history of tests, and the search of logs.
func resultVisits() []visit {
	return []visit{
		{route: "GET /results", at: "/results/", task: "see how suites went", shows: []string{"0_smoke"}},
		{route: "GET /results/{job}", at: "/results/1", task: "see what failed", shows: []string{"0_smoke", "lava"}},
		{route: "GET /results/{job}/{suite}", at: "/results/1/0_smoke", task: "see its cases", shows: []string{"boot-time", "7.5", "network", "fail"}},
		{route: "GET /results/{job}/{suite}/{case}", at: "/results/1/0_smoke/boot-time", task: "see a measurement", shows: []string{"boot-time", "7.5", "seconds"}},
		{route: "GET /results/{job}/{suite}/{set}/{case}", at: "/results/1/0_smoke/none/none", task: "be told that there is none", fails: 404, shows: []string{"Nothing here"}},
		{route: "GET /results/testcase/{id}", at: "/results/testcase/1", task: "be told that there is none of the number", fails: 404, shows: []string{"Nothing here"}},
		{route: "GET /results/matrix", at: "/results/matrix?device_type=qemu&suite=0_smoke", task: "see cases across jobs", shows: []string{"boot-time", "network"}},
		{route: "GET /results/history", at: "/results/history?suite=0_smoke&case=network", task: "see since when it fails", shows: []string{"network"}},
		{route: "GET /search", at: "/search?q=Starting", task: "find a line in any log", do: func(t *testing.T, _ *pageLab, p *browser.Page) {
			eventually(t, "the line is found", func() bool { // a machine that is busy may use up the time that a search has
				p.Go("/search?q=Starting")
				return strings.Contains(p.Text("main"), "Starting kernel")
			})
		}, shows: []string{"Starting kernel"}},
	}
}
