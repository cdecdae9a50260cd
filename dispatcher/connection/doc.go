// Package connection talks to a console.
//
// A [Connection] is a child process on a pseudo-terminal: telnet, ssh, picocom, a QEMU. There is
// no built-in serial or telnet client, as in LAVA: the device dictionary names the command. What
// the process prints is read while somebody waits for a pattern, logged line by line, and matched
// as it arrives; what nobody waits for stays in the terminal, which slows the process down rather
// than losing anything.
//
// Patterns are regular expressions of Python's dialect ([Compile]) with DOTALL. Of several
// patterns the one that matches earliest wins, of equal positions the first of the list. Only a
// bounded window at the end of what is unmatched is searched; the rest is still returned as the
// text before a match.
//
// Lines are logged no further than the line in which the wait ended, so that whoever acts on a
// match finds its line to be the last one in the log.
package connection
