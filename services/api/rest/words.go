package rest

import (
	"slices"
	"strings"
)

// Words that LAVA shows for states and healths. Filters want them spelled so, but those of devices and of
// results in any case.
// jobStates and jobHealths are in the order of LAVA's numbers for them, from 0, which callbacks have
// beside the words ([callbackBody]).
var (
	jobStates     = []string{"Submitted", "Scheduling", "Scheduled", "Running", "Canceling", "Finished"}
	jobHealths    = []string{"Unknown", "Complete", "Incomplete", "Canceled"}
	deviceHealths = []string{"Unknown", "Maintenance", "Good", "Bad", "Looping", "Retired"}
	deviceStates  = []string{"Idle", "Reserved", "Running"}
	workerStates  = []string{"Online", "Offline"}
	workerHealths = []string{"Active", "Maintenance", "Retired"}
	outcomes      = []string{"pass", "fail", "skip", "unknown"}
)

// known returns a word as it is spelled, or an error that says what is allowed. LAVA answers an unknown word
// with a server error.
// The answer for state=finished has the words, which LAVA's 500 has not.
func known(field, value string, words []string, anyCase bool) (string, error) {
	i := slices.IndexFunc(words, func(w string) bool { return w == value || anyCase && strings.EqualFold(w, value) })
	if i < 0 {
		return "", invalid(field, "Select a valid choice. %s is not one of the available choices: %s.", value, strings.Join(words, ", "))
	}
	return words[i], nil
}

// checkWord spells the words of a filter that takes only some.
// Filters of jobs have words of their own ([jobFilter]).
func checkWord(resource, key, value string) (string, error) {
	name, lookup, _ := strings.Cut(key, "__")
	words, anyCase := []string(nil), false
	switch resource + "." + name {
	case "devices.state":
		words = deviceStates
	case "devices.health":
		words, anyCase = deviceHealths, true
	case "workers.state":
		words = workerStates
	case "workers.health":
		words = workerHealths
	case "tests.result":
		words, anyCase = outcomes, true
	case "devicetypes.health_denominator":
		words = []string{"hours", "jobs"}
	default:
		return value, nil
	}
	if lookup != "" && lookup != "exact" && lookup != "in" {
		return value, nil
	}
	parts := []string{value}
	if lookup == "in" {
		parts = strings.Split(value, ",")
	}
	for i, p := range parts {
		var err error
		if parts[i], err = known(key, p, words, anyCase); err != nil {
			return "", err
		}
	}
	return strings.Join(parts, ","), nil
}
