package web

import (
	"net/http"
	"slices"
)

// route is an address and what stands there.
type route struct {
	method string
	path   string // a pattern of [http.ServeMux]; its last slash does not count
	page   func(*request) (page, error)
	title  string // of the document, where the page does not say better
	task   string // what somebody comes for; browser tests do it
}

// routes is the one table of addresses. Each row has a row in the table of browser tests.
func routes() []route {
	const get, post = http.MethodGet, http.MethodPost
	return slices.Concat([]route{
		{get, "/", home, "Lab", "see how the lab is: what runs, what waits, what broke"},
		{post, "/theme", setTheme, "", "choose light or dark"},
	}, deviceRoutes(), typeRoutes(), workerRoutes(), labRoutes(), reservationRoutes(), reportRoutes(), queryRoutes(), chartRoutes(), helpRoutes(),
		jobRoutes(), bundleRoutes(), jobListRoutes(), logRoutes(), submitRoutes(), resultRoutes(), searchRoutes(), accountRoutes(), adminRoutes())
}
