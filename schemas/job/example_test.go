package job_test

import (
	"fmt"

	"strata/schemas/job"
)

func ExampleGate_Check() {
	gate := job.NewGate(job.Rules{})
	_, problems := gate.Check([]byte(`job_name: smoke
device_type: qemu
visibility: public
timeouts:
  job: {minutes: 15, seconds: 30}
actions: []
`))
	for _, p := range problems {
		fmt.Println(p)
	}
	// Output:
	// two or more values in the same group of exclusion 'timeout_unit' @ data['timeouts']['job'][<timeout_unit>] (line 5, column 22)
}
