package api

import (
	"fmt"

	"strata/events/lab"
)

// holderOf says who has a device that is not idle, as in "held by job 41.2".
func holderOf(s *lab.State, d *lab.Device) string {
	switch {
	case d.Hold != nil:
		return fmt.Sprintf("in the hands of %s (%s)", d.Hold.By, d.Hold.Use)
	case d.Job != 0:
		return "held by job " + displayed(s, d.Job)
	}
	return "idle"
}
