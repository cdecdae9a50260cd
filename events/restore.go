package events

import "time"

// LabRestored records that the lab was made anew from its archive or from a backup. What had been written
// behind Through is lost; the fact's own sequence lies far enough behind it that no lease which a worker
// may know is given again. Written by services/archive.
type LabRestored struct {
	Through uint64    `json:"through"` // sequence of LAB of the last fact that was restored
	From    string    `json:"from"`    // "archive" or "backup"
	At      time.Time `json:"at"`
	Host    string    `json:"host"` // on which it was restored
}

// About places the fact on the lab itself.
func (e LabRestored) About() Entity { return Entity{Kind: Lab} }
