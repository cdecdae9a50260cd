package health

import (
	"fmt"
	"testing"
	"time"

	"strata/events"
)

// BenchmarkDecide decides in a lab of 10,000 devices, one of which was touched.
func BenchmarkDecide(b *testing.B) {
	s := after(worker(), checked(events.Hours, 24))
	for i := range 10_000 {
		name := events.DeviceName(fmt.Sprintf("q%d", i))
		more(s, board(name), events.DeviceCheckCarried{Device: name, At: noon})
	}
	s.settle(decide(s, noon.Add(time.Hour)))
	for b.Loop() {
		s.look["q77"] = mark{}
		p := decide(s, noon.Add(time.Hour))
		s.settle(p)
	}
}
