// Package deploy puts a job's artefacts where the device boots them from.
//
// Each method is a file and a row in methods.go. A method's file says which actions it consists of
// (its fill), what is wrong with a block (validate) and what is done (run); the names of the actions
// are LAVA's, because timeouts, results and people name them. Most actions are a task, a struct of
// functions; those with something to remember are types of their own.
//
// The order of the children is part of what users see: their levels stand in logs, in results and
// in the UUIDs of test runs.
//
// What methods share are packages of their own:
// download brings artefacts to the worker, archive adds to them, and overlay, beside this package,
// makes what the tests need.
package deploy
