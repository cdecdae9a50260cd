package api

import (
	"maps"
	"slices"
)

// Verbs and Flows name all that can be asked, so that tests from outside forget none.
func Verbs() []string { return slices.Sorted(maps.Keys(verbs())) }

// Flows are those with many messages.
func Flows() []string { return slices.Sorted(maps.Keys(flows())) }
