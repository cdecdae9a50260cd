// Package power switches devices with the commands of their dictionary: hard_reset, power_off and
// the like. A command is a text or a list of texts, each split into words; no shell is involved, so
// pipes need `bash -c '…'` in the dictionary.
package power
