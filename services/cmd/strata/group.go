package main

import (
	"strings"

	"strata/events"
	"strata/services/api"
)

// printParts lists the jobs of a multinode group, in order.
func (a *app) printParts(parts []api.Part) error {
	rows := make([][]string, len(parts))
	for i, p := range parts {
		on := or(string(p.Device))
		// A guest has no device of its own: it runs on the one of the part whose role its definition
		// connects to.
		if p.Guest {
			on = strings.TrimSuffix("guest of "+p.HostRole, " ")
		}
		state := p.State
		if p.State == api.StateFinished {
			state = string(p.Health)
		}
		why := p.Error
		// That a part was canceled stands under STATE already.
		if p.ErrorType != "" && p.ErrorType != events.CanceledError {
			why = strings.TrimSuffix(string(p.ErrorType)+": "+p.Error, ": ")
		}
		role := p.Role
		if p.Essential {
			role += " (essential)"
		}
		rows[i] = []string{p.Display, role, a.paint(a.out, healthColour(string(p.Health)), state), or(string(p.DeviceType)), on, why}
	}
	return a.table([]string{"PART", "ROLE", "STATE", "TYPE", "DEVICE", "REASON"}, rows)
}
