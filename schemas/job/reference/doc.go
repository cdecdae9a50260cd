// Package reference makes the pages about methods, docs/methods, from what the code knows: each
// deploy, boot, test and command method with its keys, their kinds, units, defaults and examples as
// the tables of package strict have them, and beside them what only a person can say: which settings
// of a device the method needs, what it records, how it fails, and a block that works.
//
// That second half stands in pages/*.yaml, one entry a method. A method without an entry, an entry
// without a method, a key without a sentence or a number without a unit fails a test of this package;
// every example is validated here, and planned on the settings of its own page by a test of package
// dispatcher. To add a method, add its table to package strict and its entry here, then run
// `make generate`.
package reference
