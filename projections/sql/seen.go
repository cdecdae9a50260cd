package sql

import (
	"strings"

	"strata/events/lab"
)

// Seen writes whom a job is shown to as a condition on columns of the view jobs. Each value goes through bind, which
// takes the name and the type of a parameter and returns what stands for it in the text.
func Seen(v lab.Sight, bind func(name, typ string, value any) string) string {
	switch {
	case v.All:
		return "true"
	case v.None:
		return "false"
	}
	shown := "public AND empty(groups)"
	if v.Hides() {
		shown += " AND device NOT IN " + bind("hidden_devices", "Array(String)", texts(v.HiddenDevices)) +
			" AND (device IN " + bind("shown_devices", "Array(String)", texts(v.ShownDevices)) +
			" OR device_type NOT IN " + bind("hidden_types", "Array(String)", texts(v.HiddenTypes)) + ")"
	}
	ways := []string{shown}
	if v.User != "" {
		ways = append(ways, "user = "+bind("viewer", "String", string(v.User)))
	}
	if len(v.Groups) > 0 {
		ways = append(ways, "notEmpty(groups) AND hasAll("+bind("viewer_groups", "Array(String)", texts(v.Groups))+", groups)")
	}
	return "(" + strings.Join(ways, " OR ") + ")"
}

func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, one := range list {
		out[i] = string(one)
	}
	return out
}
