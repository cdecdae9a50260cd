package query_test

import (
	"fmt"

	"strata/projections/query"
)

func ExampleParse() {
	q, warnings, err := query.Parse("testcase", "result__Test failed,testjob__submitter__exact__alice")
	fmt.Println(q, warnings, err)
	_, _, err = query.Parse("testjob", "submiter__alice")
	fmt.Println(err)
	// Output:
	// testcase where case result is "Test failed" and job submitter is "alice" [] <nil>
	// condition 1: testjob has no field "submiter"; it has submitter, start_time, end_time, state, health, actual_device, requested_device_type, health_check, priority, description, id, submit_time, worker, error_type, error
}
