package worker

import (
	"testing"

	"strata/events"
	"strata/schemas/order"
)

func TestHealthOf(t *testing.T) {
	for _, tt := range []struct {
		verdict order.Verdict
		want    events.JobHealth
	}{
		{order.Verdict{Result: "pass"}, events.Complete},
		{order.Verdict{Result: "fail", ErrorType: "Infrastructure"}, events.Incomplete},
		{order.Verdict{Result: "fail", ErrorType: "Canceled"}, events.Canceled},
		{order.Verdict{}, events.Incomplete},
	} {
		if got := healthOf(tt.verdict); got != tt.want {
			t.Errorf("health of %+v: %s, want %s", tt.verdict, got, tt.want)
		}
	}
}
