package lab_test

import (
	"testing"

	"strata/events/lab"
)

func TestKnownPermission(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"lava_scheduler_app.change_device": true, "lava_scheduler_app.submit_to_devicetype": true, "auth.view_user": true,
		"lava_scheduler_app.cancel_resubmit_testjob": true, "lava_results_app.delete_query": true,
		"lava_scheduler_app.fly": false, "lava_scheduler_app.fly_device": false, "lava_scheduler_app.change_": false, "change_device": false,
		"auth.change_device": false, "moon.change_device": false, "lava_scheduler_app.device": false, "": false,
	} {
		if got := lab.KnownPermission(name); got != want {
			t.Errorf("permission %q is known: %t, want %t", name, got, want)
		}
	}
}
