// Package deploy puts a job's artefacts where the device boots them from.
//
// Each method is a file and a row in methods.go. What methods share are packages of their own:
// download brings artefacts to the worker, archive adds to them, and overlay, beside this package,
// makes what the tests need.
package deploy
