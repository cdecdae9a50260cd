// Package health keeps devices fit for jobs: it frees a device after its job, says what the job
// means for the device's health, and has devices checked.
//
// # What it does
//
// The service folds the facts of LAB and looks at each device that a fact touched:
//
//   - A device whose job is over (JobFinished, JobReturned) is released. Where the end says
//     something of the device, DeviceHealthChanged stands in the same batch, so no job gets a bad
//     device in the gap. The rules are [lab.AfterJob]; what a person set is never undone.
//   - Where a check is due (health Unknown or Looping, never checked, so many hours or jobs since the last) and the
//     device is idle on a usable worker, the device type's health check is published onto the bus
//     as a job of the user lava-health, pinned to the device; HealthCheckRequested then has its number.
//   - A check that submission rejected, or that left the queue, makes the device Bad.
//   - A worker that becomes Active or Retired takes its devices along ([lab.Cascade]).
//   - A device whose configuration cannot be used is Bad.
//
// # What it promises
//
// Facts are appended on the condition that the device has no newer ones, so a person who sets a
// health at the same moment wins or is seen. The publication of a check carries a message id made
// of the device, the fact that made the check due and a secret of the lab: after a crash it is published
// again and is the same job, and no user can take its place. Everything follows from the state of the lab, so a service that was away catches up.
package health
