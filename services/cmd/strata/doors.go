package main

import (
	"net/http"

	"strata/services/api"
	"strata/services/api/door"
)

// newDoor returns the door of this process's HTTP interfaces. It opens when the api answers.
func (s surroundings) newDoor() *door.Door {
	return door.New(door.Settings{Logger: s.logger.With("service", "door"), Now: s.now})
}

// interfaces is what stands behind the door: a line for each interface.
func (s surroundings) interfaces(_ api.Inside) http.Handler {
	mux := http.NewServeMux()
	return mux
}
