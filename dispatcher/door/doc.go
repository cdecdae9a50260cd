// Package door takes files of tests from devices over HTTP.
//
// A job that runs tests opens a [Door] of its own on the worker, for as long as it runs. The helper
// lava-test-artifact on the device sends a file there, and then says so over the console: so a file stands
// in the log between the lines that were printed before and after it, with the suite and the set that
// are open, whichever way it came. What was sent and never announced, because the console broke that line, is
// known by what stands in its path ([Door.Rest]).
//
// # What is asked
//
//	PUT /TOKEN/ID/ENCODING/SIZE/ABOUT    (or POST)
//
// The token is a secret of this door, which the device has from its overlay. The id is the device's
// choice, 1 to 64 letters, digits and "-"; a file that is sent again takes the place of the one before. The
// encoding is raw or base64 (for clients that end a body at its first zero byte), SIZE the bytes of the
// file. ABOUT is the announcement in hexadecimal digits, or "-" on a system that cannot make them. The
// answer is one line: "strata-file kept", or "strata-file refused: …".
//
// # Promises
//
// A device may do here what it wants, and fills neither disk nor memory: a file has at most
// Settings.File bytes, all that waits at most Settings.Held and at most 256 files, four are taken at once, and one that
// stops coming is given up after half a minute. Files lie in a directory of the job's; nothing of their names
// is used.
package door
