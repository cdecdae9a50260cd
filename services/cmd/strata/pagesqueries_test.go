package main

import (
	"testing"

	"strata/services/web/browser"
)

// queryVisits are the saved queries.
func queryVisits() []visit {
	const one, at = "/results/query/{owner}/{name}", "/results/query/~local/smoke"
	press := func(action string) func(*testing.T, *pageLab, *browser.Page) {
		return func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click("form[action$='" + action + "'] button.primary")
		}
	}
	query := func(fact string, texts ...string) func(*testing.T, *pageLab) {
		return func(t *testing.T, l *pageLab) { l.recorded(t, "query/1", fact, texts...) }
	}
	return []visit{
		{route: "GET /results/query/+add", at: "/results/query/+add", task: "open the form", shows: []string{"Where", "Saved as"}},
		{route: "POST /results/query/+add", at: "/results/query/+add", task: "build a query, look, save", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Choose("[aria-label='Field of condition 0']", "testjob.description")
			p.Choose("[aria-label='Operator of condition 0']", "icontains")
			p.Fill("[aria-label='Value of condition 0']", "smoke")
			p.Click(browser.Button("Look what it finds"))
			p.See("It finds")
			p.See("smoke on qemu")
			p.Fill("#name", "smoke")
			p.Click("button[value=save]")
			p.Await("location.pathname.startsWith('/results/query/~local/smoke')")
		}, shows: []string{"smoke on beagle"}, then: query("query.saved", "smoke")},
		{route: "GET /results/query", at: "/results/query/", task: "find it", shows: []string{"smoke"}},
		{route: "GET " + one, at: at, task: "see what it finds", shows: []string{"smoke on beagle"}},
		{route: "GET " + one + "/+detail", at: at + "/+detail", task: "read it", shows: []string{"icontains"}},
		{route: "GET " + one + "/+export", at: at + "/+export", task: "keep what it finds", file: "smoke on beagle"},
		{route: "GET " + one + "/+edit", at: at + "/+edit", task: "open its form", shows: []string{"Saved as"}},
		{route: "POST " + one + "/+edit", at: at + "/+edit", task: "describe it", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("#description", "what is tried first")
			p.Do("[name=is_live]", "uncheck", nil)
			p.Click("button[value=save]")
		}, shows: []string{"what is tried first"}, then: query("query.saved", "what is tried first")},
		{route: "GET " + one + "/+refresh", at: at + "/+refresh", task: "be asked", shows: []string{"Leave it as it is"}},
		{route: "POST " + one + "/+refresh", at: at + "/+refresh", task: "run it", do: press("/+refresh"), shows: []string{"smoke on beagle"}, then: query("query.refreshed")},
		{route: "POST " + one + "/+omit-result", at: at, task: "leave a row out", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click("form[action$='/+omit-result'] button >> nth=0")
		}, shows: []string{"Left out"}, then: query("query.result-omitted")},
		{route: "POST " + one + "/+include-result", at: at, task: "take it back", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click("form[action$='/+include-result'] button >> nth=0")
			p.Unsee("Left out")
		}, then: query("query.result-included")},
		{route: "GET " + one + "/+toggle-published", at: at + "/+toggle-published", task: "be asked", shows: []string{"Leave it as it is"}},
		{route: "POST " + one + "/+toggle-published", at: at + "/+toggle-published", task: "let others see it", do: press("/+toggle-published"), shows: []string{"smoke"}, then: query("query.saved", `"published":true`)},
		{route: "GET " + one + "/+copy", at: at + "/+copy", task: "open the form of a copy", shows: []string{"Name of the copy"}},
		{route: "POST " + one + "/+copy", at: at + "/+copy", task: "copy it", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("#name", "mine")
			p.Click(browser.Button("Copy"))
			p.Await("location.pathname.startsWith('/results/query/~local/mine')")
		}},
		{route: "GET /results/query/+custom", at: "/results/query/+custom?entity=testjob&conditions=testjob__description__icontains__beagle", task: "see what an address finds", shows: []string{"smoke on beagle"}},
		{route: "GET /results/query/+export-custom", at: "/results/query/+export-custom?entity=testjob&conditions=testjob__description__icontains__beagle", task: "keep it", file: "smoke on beagle"},
		{route: "GET /scheduler/job/{job}/similarjobs", at: "/scheduler/job/1/similarjobs", task: "choose in what", shows: []string{"Jobs like 1"}},
		{route: "POST /scheduler/job/{job}/similarjobs", at: "/scheduler/job/1/similarjobs", task: "find them", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click(browser.Button("Find them"))
		}, shows: []string{"smoke on qemu"}},
	}
}

// chartVisits are the charts; they go before the query that they draw is archived.
func chartVisits() []visit {
	const one, at = "/results/chart/{name}", "/results/chart/smoke"
	press := func(action string) func(*testing.T, *pageLab, *browser.Page) {
		return func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click("form[action$='" + action + "'] button >> nth=0")
		}
	}
	chart := func(fact string, texts ...string) func(*testing.T, *pageLab) {
		return func(t *testing.T, l *pageLab) { l.recorded(t, "chart/1", fact, texts...) }
	}
	return []visit{
		{route: "GET /results/chart/+add", at: "/results/chart/+add", task: "open the form", shows: []string{"New chart"}},
		{route: "POST /results/chart/+add", at: "/results/chart/+add", task: "make a chart", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("#name", "smoke")
			p.Click(browser.Button("Save"))
			p.Await("location.pathname.startsWith('/results/chart/smoke')")
		}, then: chart("chart.saved", "smoke")},
		{route: "GET " + one + "/+chart-query-add", at: at + "/+chart-query-add", task: "open the form of a drawing", shows: []string{"Add a query"}},
		{route: "POST " + one + "/+chart-query-add", at: at + "/+chart-query-add", task: "draw a query", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("#query", "~local/smoke")
			p.Click(browser.Button("Save"))
			p.Await("!location.pathname.includes('chart-query-add')")
		}, then: chart("chart.saved", `"query"`)},
		{route: "GET /results/chart", at: "/results/chart/", task: "find it", shows: []string{"smoke"}},
		{route: "GET " + one, at: at, task: "see it", shows: []string{"smoke"}},
		{route: "GET " + one + "/+detail", at: at + "/+detail", task: "read its settings", shows: []string{"smoke"}},
		{route: "GET " + one + "/+edit", at: at + "/+edit", task: "open its form", shows: []string{"Change chart"}},
		{route: "POST " + one + "/+edit", at: at + "/+edit", task: "describe it", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("#description", "from day to day")
			p.Click(browser.Button("Save"))
		}, shows: []string{"from day to day"}, then: chart("chart.saved", "from day to day")},
		{route: "GET " + one + "/{number}/+chart-query-edit", at: at + "/1/+chart-query-edit", task: "open its form", shows: []string{"Change a drawing"}},
		{route: "POST " + one + "/{number}/+chart-query-edit", at: at + "/1/+chart-query-edit", task: "draw it anew", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click(browser.Button("Save"))
			p.Await("!location.pathname.includes('chart-query-edit')")
		}},
		{route: "POST " + one + "/+chart-query-order-update", at: at + "/+detail", task: "have no order of one drawing", do: func(t *testing.T, _ *pageLab, p *browser.Page) {
			if n := p.Count("form[action$='/+chart-query-order-update']"); n != 0 {
				t.Errorf("one drawing can be moved by %d forms", n)
			}
		}},
		{route: "POST " + one + "/{number}/+settings-update", at: at, task: "choose how it looks", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Do("[name=is_delta]", "check", nil)
			p.Click(browser.Button("Remember"))
			p.Await("document.querySelector('[name=is_delta]').checked")
		}, then: chart("chart.view-chosen")},
		{route: "POST " + one + "/{number}/+omit-result", at: at, task: "leave a point out", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click("summary:has-text('Points')")
			p.Click("form[action$='/1/+omit-result'] button >> nth=0")
			p.See("Left out")
		}, then: chart("chart.result-omitted")},
		{route: "POST " + one + "/{number}/+include-result", at: at, task: "take it back", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Do("form[action$='/1/+include-result'] button >> nth=0", "waitFor", nil, map[string]string{"state": "attached"})
			p.Eval("document.querySelectorAll('main details').forEach(d => { d.open = true })", nil)
			p.Click("form[action$='/1/+include-result'] button >> nth=0")
			p.Unsee("Left out:")
		}, then: chart("chart.result-included")},
		{route: "GET " + one + "/{number}/+export", at: at + "/1/+export", task: "keep its points", file: "lava"},
		{route: "GET " + one + "/{picture}", at: at + "/1.svg", task: "embed it", file: "<svg"},
		{route: "GET " + one + "/+toggle-published", at: at + "/+toggle-published", task: "be asked", shows: []string{"Leave it as it is"}},
		{route: "POST " + one + "/+toggle-published", at: at + "/+toggle-published", task: "let others see it", do: press("/+toggle-published"), shows: []string{"smoke"}, then: chart("chart.saved", `"published":true`)},
		{route: "GET /results/chart/+custom", at: "/results/chart/+custom?entity=testjob&conditions=testjob__description__icontains__qemu", task: "draw what an address finds", shows: []string{"Chart"}},
		{route: "GET " + one + "/{number}/+chart-query-remove", at: at + "/1/+chart-query-remove", task: "be asked", shows: []string{"Leave it as it is"}},
		{route: "POST " + one + "/{number}/+chart-query-remove", at: at + "/1/+chart-query-remove", task: "take a drawing away", do: press("/+chart-query-remove"), shows: []string{"smoke"}},
		{route: "GET " + one + "/+delete", at: at + "/+delete", task: "be asked", shows: []string{"Leave it as it is"}},
		{route: "POST " + one + "/+delete", at: at + "/+delete", task: "delete it", do: press("/+delete"), shows: []string{"Charts"}, then: chart("chart.removed")},
		{route: "GET /results/query/{owner}/{name}/+delete", at: "/results/query/~local/mine/+delete", task: "be asked", shows: []string{"Leave it as it is"}},
		{route: "POST /results/query/{owner}/{name}/+delete", at: "/results/query/~local/mine/+delete", task: "archive a query", do: press("/+delete"), shows: []string{"Queries"}},
	}
}

// helpVisits are the manual.
func helpVisits() []visit {
	return []visit{
		{route: "GET /help", at: "/help/", task: "find out how something is done", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("main input[type=search]", "health check")
			p.Press("Enter")
			p.Await("location.search.includes('health')")
		}, shows: []string{"health check"}},
		{route: "GET /help/{page}", at: "/help/first-job", task: "read a page", shows: []string{"job"}},
		{route: "GET /help/{page}", at: "/help/none", task: "be told that there is none", fails: 404, shows: []string{"Nothing here"}},
		{route: "GET /help/methods/{page}", at: "/help/methods/common", task: "read what methods share", shows: []string{"method"}},
		{route: "GET /help/methods/{kind}/{page}", at: "/help/methods/boot/qemu", task: "read what a method takes", shows: []string{"qemu"}},
		{route: "GET /api/help", at: "/api/help/", task: "see what programs may ask", shows: []string{"scheduler.submit_job", "REST"}},
	}
}
