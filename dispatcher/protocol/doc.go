// Package protocol is what a job agrees with others while it runs: the messages of a multinode group
// ([Multinode]), and the port of a disk over the network ([XNBD]). LAVA's lava-lxc and vland have
// their place here; a job that names one of them is refused.
//
// An action asks for something with a `protocols` list in its block; package pipeline makes the calls.
// On the target, the helpers lava-send, lava-wait, lava-wait-all and lava-sync print requests on the
// console, which package test hands to [Multinode.Call].
//
// How a member reaches its group is an [Ask]: over the bus ([Bus]) in a lab, or by LAVA's coordinator
// ([Coordinator]) where the binary stands in for LAVA's own lava-run.
package protocol

import (
	"context"

	"strata/dispatcher/pipeline"
	"strata/schemas/multinode"
)

// Ask asks a group something and returns when it is answered, or when ctx ends.
type Ask func(ctx context.Context, group string, r multinode.Request) (multinode.Answer, error)

// Of returns the protocols of a job. ask may be nil: then a multinode job is refused when it is
// validated.
func Of(job pipeline.Data, ask Ask) []pipeline.Protocol {
	var all []pipeline.Protocol
	for _, p := range job.Get("protocols").Pairs() {
		switch p.Key {
		case multinodeName:
			all = append(all, newMultinode(p.Value, ask))
		case xnbdName:
			all = append(all, XNBD{})
		}
	}
	return all
}
