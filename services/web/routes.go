package web

import (
	"net/http"
	"slices"
)

// route is an address and what stands there.
type route struct {
	method string
	// {name} holds one segment, unescaped: a device called a/b comes as a%2Fb in the address and is read back by PathValue.
	path string // a pattern of [http.ServeMux]; its last slash does not count
	// An error that is a *[Refusal] becomes a page with its status and words; any other is a fault, logged, with status 500.
	page func(*request) (page, error)
	// Each page has its own (WCAG 2.4.2). It is empty where the answer is always a redirect.
	title string // of the document, where the page does not say better
	// It is not shown. services/cmd/strata walks this table and does each task in a browser, and a route without a row there fails.
	task string // what somebody comes for; browser tests do it
}

// routes is the one table of addresses. Each row has a row in the table of browser tests.
// The order does not matter: [http.ServeMux] takes the most specific pattern, and refuses at start two that are as specific.
func routes() []route {
	const get, post = http.MethodGet, http.MethodPost
	return slices.Concat([]route{
		{get, "/", home, "Lab", "see how the lab is: what runs, what waits, what broke"},
		{post, "/theme", setTheme, "", "choose light or dark"},
	}, deviceRoutes(), typeRoutes(), workerRoutes(), labRoutes(), reservationRoutes(), reportRoutes(), queryRoutes(), chartRoutes(), helpRoutes(),
		jobRoutes(), bundleRoutes(), jobListRoutes(), logRoutes(), submitRoutes(), resultRoutes(), searchRoutes(), accountRoutes(), adminRoutes())
}
