// Package services is the home of the processes of a lab. Each folder is one of them; commands
// start them (cmd/strata). A service folds facts from the log, decides one kind of thing and
// appends what it decided; it never imports another service. The test beside this file holds that
// rule and the others of the house, each with its reason.
package services
