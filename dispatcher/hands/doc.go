// Package hands does to a device what a person asks for outside of any job: it switches the power,
// joins a terminal to the console, and checks a board that is new or was mended.
//
// All of it runs the commands of the device's rendered dictionary, by the same code as a job does, on the
// machine that the device hangs on. The package knows no lab and no bus: what happens goes to [Board.Say]
// as it happens, and whoever calls sees to it that nobody else has the device.
//
// [Check] goes through the board step by step, as a person at the bench would, and stops at the first step
// that fails. Each answer says what was tried, what was seen, and where to look next, so that a wrong
// console command, a power switch that does not answer, a silent serial line and a prompt that is
// spelled otherwise are told apart.
package hands
