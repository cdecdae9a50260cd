package health

import "strata/events/lab"

// firstChecks counts the first checks of imported devices that are under way: a lab that moves here would
// else have all its devices checked at the same moment. It counts when it is asked first: most plans have
// no such device.
type firstChecks struct {
	s       *state
	counted bool
	pending int
}

// hold says that the first check of a device has to wait.
func (f *firstChecks) hold(d *lab.Device) bool {
	if d.FirstCheck == 0 || d.FirstPending() && d.Check.Due {
		return false // it holds a place already
	}
	if !f.counted {
		f.counted = true
		for other := range f.s.lab.Devices() {
			_, published := f.s.asked[other.Name]
			if other.FirstPending() || published && other.FirstCheck > 0 {
				f.pending++
			}
		}
	}
	if _, published := f.s.asked[d.Name]; published {
		return false
	}
	return d.HoldsFirst(f.pending)
}

// begin counts a check that the plan asks for.
func (f *firstChecks) begin(d *lab.Device) {
	if _, published := f.s.asked[d.Name]; d.FirstCheck > 0 && !published && !d.FirstPending() {
		f.pending++
	}
}
