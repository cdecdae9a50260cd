package lab

import (
	"slices"
	"strings"
)

// PermissionModels lists what the permissions of one of LAVA's applications are on; nil for an application that
// it does not have.
func PermissionModels(app string) []string {
	switch app {
	case "lava_scheduler_app":
		return []string{"alias", "device", "devicetype", "testjob", "tag", "worker", "remoteartifactsauth"}
	case "lava_results_app":
		return []string{"chart", "chartquery", "query", "testcase", "testset", "testsuite"}
	case "auth":
		return []string{"group", "permission", "user"}
	case "linaro_django_xmlrpc":
		return []string{"authtoken"}
	}
	return nil
}

// PermissionVerbs lists what a permission on everything lets its holder do with a model.
func PermissionVerbs() []string {
	return []string{"add", "change", "delete", "view", "submit", "submit_to", "cancel_resubmit"}
}

// KnownPermission says that LAVA has a permission on everything, by its name with the application.
func KnownPermission(full string) bool {
	app, codename, _ := strings.Cut(full, ".")
	return slices.ContainsFunc(PermissionModels(app), func(model string) bool {
		verb, ok := strings.CutSuffix(codename, "_"+model)
		return ok && slices.Contains(PermissionVerbs(), verb)
	})
}
