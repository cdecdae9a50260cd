package lab

import "time"

// week is the hours of one.
const week = 7 * 24

// rhythm is how many jobs come for a device type in each hour of the week: people work by day, and
// what is built at night is tested at night. Older weeks count less.
type rhythm struct {
	First int64     `json:"first"` // the hour since 1970 in which the first came
	Hour  int64     `json:"hour"`  // the one that is being counted
	Count float64   `json:"count"` // in it so far
	Mean  []float64 `json:"mean"`  // by hour of the week
}

func hourOf(at time.Time) int64 { return at.Unix() / 3600 }

// came counts a job.
func (r *rhythm) came(at time.Time) {
	h := hourOf(at)
	if r.Mean == nil {
		*r = rhythm{First: h, Hour: h, Mean: make([]float64, week)}
	}
	if h-r.Hour > 8*week { // nothing came for two months: what was before tells nothing
		*r = rhythm{First: h, Hour: h, Mean: make([]float64, week)}
	}
	for ; r.Hour < h; r.Hour++ {
		weeks := float64(1 + (r.Hour-r.First)/week)
		mean := &r.Mean[r.Hour%week]
		*mean += (r.Count - *mean) * max(1/weeks, 1.0/8)
		r.Count = 0
	}
	r.Count++
}

// rate is how many jobs an hour are to be expected in an hour; false until a week was seen.
func (r *rhythm) rate(hour int64) (perHour float64, known bool) {
	if r.Hour-r.First < week {
		return 0, false
	}
	// Its neighbours tell of an hour too: few come in each.
	return (r.Mean[(hour+week-1)%week] + 2*r.Mean[hour%week] + r.Mean[(hour+1)%week]) / 4, true
}
