package main

import (
	"net/http"
	"strings"
	"testing"
)

// TestPagesAtLAVAsAddresses asks for every address of LAVA's pages, in a lab that has what they name: links that people
// have kept go on to lead somewhere. Data stands at some of them; they count too.
func TestPagesAtLAVAsAddresses(t *testing.T) {
	t.Parallel()
	l := newPageLab(t)
	for _, path := range strings.Fields(lavaAddresses) {
		request, err := http.NewRequestWithContext(t.Context(), "GET", l.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", l.headers("")["Authorization"])
		request.Header.Set("Accept", "text/html")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatalf("GET %s: %v", path, err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("GET %s: %s", path, answer.Status)
		}
	}
}

// lavaAddresses are those of LAVA's manual and menus, with names of the lab put in.
const lavaAddresses = `
/ /scheduler/ /scheduler/alljobs /scheduler/activejobs /scheduler/queue /scheduler/running /scheduler/joberrors
/scheduler/longestjobs /scheduler/healthcheck /scheduler/myjobs /scheduler/myactivejobs /scheduler/myqueuedjobs
/scheduler/myerrorjobs /scheduler/favorite-jobs /scheduler/device_types /scheduler/device_type/qemu
/scheduler/dthealthhistory/device_type/qemu /scheduler/job/1 /scheduler/job/1/definition
/scheduler/job/1/definition/plain /scheduler/job/1/log_file/plain /scheduler/job/1/configuration
/scheduler/job/1/job_status /scheduler/job/1/resubmit /scheduler/jobsubmit /scheduler/alldevices /scheduler/alldevices/active
/scheduler/alldevices/online /scheduler/alldevices/passinghealthchecks /scheduler/alldevices/maintenance
/scheduler/labhealth/ /scheduler/labhealth/device/qemu-01 /scheduler/mydevices /scheduler/mydevicetypehealthhistory
/scheduler/device/qemu-01 /scheduler/device/qemu-01/devicedict /scheduler/device/qemu-01/devicedict/plain
/scheduler/allworkers /scheduler/worker/lab-east /scheduler/reports /scheduler/reports/device/qemu-01
/scheduler/reports/device_type/qemu /scheduler/reports/failures?start=-1&end=0 /results/ /results/1 /results/1/0_smoke
/results/1/0_smoke/uname /results/1/yaml /results/1/csv /results/1/yaml_summary /results/1/metadata /results/1/0_smoke/csv
/results/1/0_smoke/yaml /results/query /results/query/+add /results/query/+custom?entity=testjob&conditions=testjob__submitter__exact__local
/results/chart /results/chart/+add /results/chart/+custom?entity=testjob&conditions=testjob__submitter__exact__local
/api/help/ /api/v0.2/ /help/
`
