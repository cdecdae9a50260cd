package protocol

import (
	"context"
	"strings"

	"strata/dispatcher/pipeline"
)

const xnbdName = "lava-xnbd"

// XNBD gives a disk over the network its port. Which one is chosen when the server is started (deploy
// method nbd); the call that LAVA's jobs make for it has nothing left to do.
type XNBD struct{}

// Name returns lava-xnbd.
func (XNBD) Name() string { return xnbdName }

// Validate asks for the one setting.
func (XNBD) Validate(s *pipeline.Session) error {
	if s.Job.Get("protocols", xnbdName, "port").IsNull() {
		return pipeline.Blamef(pipeline.Job, "No port set in protocols.lava-xnbd: want a number, or auto")
	}
	return nil
}

// Start does nothing.
func (XNBD) Start(context.Context, *pipeline.Session) error { return nil }

// Finish does nothing: the server ends with its deploy's clean-up.
func (XNBD) Finish(context.Context, *pipeline.Session) {}

// Request knows set_port.
func (XNBD) Request(_ context.Context, _ *pipeline.Session, request pipeline.Data) error {
	if name := request.Get("request").Text(); !strings.Contains(name, "set_port") {
		return pipeline.Blamef(pipeline.Job, "protocol lava-xnbd has no request '%s', only set_port", name)
	}
	return nil
}
