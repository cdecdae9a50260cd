// Package pipeline plans a job and carries the plan out.
//
// An [Action] is one step: it has a name that users meet in logs and results, and it runs. What
// else it can do are interfaces of one method each: [Parent] has children, [Retrier] tries them
// again, [Validator] checks itself before anything happens, [Cleaner] tidies up afterwards,
// [Blamer] and [CommandBlamer] say who is to blame, [Downloader] and [Describer] show more in the
// plan. Actions of one kind are chosen by [Method] tables: they are asked in order, and a refusal
// says why.
//
// [Parse] turns a definition and a device into a [Plan]: a tree of [Step]s with levels ("1.2.1"),
// timeouts, attempts and parameters, all fixed before anything runs. The plan prints as text, YAML
// and JSON. [Plan.Run] then validates, runs and cleans up, in that order, logging the lines that
// readers of LAVA's logs know. An action is handed a context whose deadline is its timeout, or its
// parent's if that is nearer, and a [Session] to work with.
//
// Errors are given a [Class] by [Blame] where their cause is known. An action that runs out of
// time returns the context's error in any wrapping; the innermost one is reported as
// "NAME timed out after N seconds".
package pipeline
