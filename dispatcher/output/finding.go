package output

import "strings"

// kernelFinding says whether a console line holds one of the texts with which Linux begins a
// report about its own state: the starts of the table that the login action waits for.
func kernelFinding(line string) bool {
	for _, start := range []string{
		"-[ cut here ]", "Unhandled fault", "BUG:", "kernel BUG at", "Oops -", "Oops:", "WARNING:",
		"invalid opcode:", "Kernel panic - not syncing",
	} {
		if strings.Contains(line, start) {
			return true
		}
	}
	return false
}
