// Package simulation lets a lab live by a virtual clock: a year of a hundred devices in seconds.
//
// # What is real and what is played
//
// The decisions are those of the lab: services/scheduling gives devices, services/health asks for
// checks and releases devices, services/dispatch says what ends within a multinode group. They are
// the same functions over the same fold of facts; there is no broker, no network and no disk. What
// comes from outside is played by a [Scenario]: people who submit, workers that die, and for each
// job how long it takes on its device and how it ends. A scenario is made up from a seed (see
// [Synthetic]) or read from recorded facts (see [Read]); with recorded facts the same jobs come at the
// same times and take as long as they took, under another policy, with more devices or fewer workers.
//
// # What it promises
//
// Nothing hangs on the machine: one scenario gives one [Report], to the byte. How long a job takes
// hangs on its number alone, so two policies are compared over the same work.
//
// # What it leaves out
//
// Decisions and messages take no virtual time; a worker takes a few seconds to begin a job. Jobs
// whose devices a dead worker held end as dispatch ends them, after [Scenario].LostAfter.
//
// # What is shown with it
//
// The tests hold what the lab promises to many made-up labs: shares, aging, rare tags (see [Saturated],
// [Flooded] and [Tagged]), that groups do not block each other, as they do by LAVA's rule
// ([Scenario].LAVA), the invariants of jobs and devices in labs where everything happens at once, and
// each decision of a small lab to all that could have been decided.
package simulation
