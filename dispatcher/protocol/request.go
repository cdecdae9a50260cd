package protocol

import (
	"context"
	"time"

	"strata/dispatcher/pipeline"
	"strata/schemas/multinode"
)

// Request makes a call that an action's block asks for, and leaves what the message brought in the
// step's namespace under the message's id.
func (m *Multinode) Request(ctx context.Context, s *pipeline.Session, request pipeline.Data) error {
	r, err := m.requested(request)
	if err != nil {
		return err
	}
	if d := request.Get("timeout"); !d.IsNull() {
		limit, err := duration(d)
		if err != nil {
			return pipeline.Blamef(pipeline.Job, "timeout of the request %s: %w", request.Get("request").Text(), err)
		}
		m.wait = limit // and for all later calls, as with LAVA
	}
	s.Log.Debug("Request: %s %s", request.Get("request").Text(), r.ID)
	a, err := m.call(ctx, r, m.wait)
	if err != nil {
		return err
	}
	s.Log.Debug("Reply: %s", a.Outcome)
	if a.Outcome != multinode.Done {
		return pipeline.Blamef(pipeline.MultinodeTimeout, "%s %s: %s", request.Get("request").Text(), r.ID, a.Reason)
	}
	return m.collate(s, request, r, a)
}

// requested reads an entry of a block's list.
func (m *Multinode) requested(request pipeline.Data) (multinode.Request, error) {
	name := request.Get("request").Text()
	r := multinode.Request{ID: request.Get("messageID").Text()}
	switch name {
	case "":
		return r, pipeline.Blamef(pipeline.Job, "Missing request")
	case "lava-send":
		r.Op = multinode.Send
		for _, p := range request.Get("message").Pairs() {
			r.Message = append(r.Message, multinode.Pair{Key: p.Key, Value: p.Value.Text()})
		}
	case "lava-wait":
		r.Op = multinode.Wait
	case "lava-wait-all":
		r.Op, r.Of = multinode.WaitAll, request.Get("role").Text()
	case "lava-sync":
		r.Op = multinode.Sync
	default:
		return r, pipeline.Blamef(pipeline.Test, "Unrecognised API call in request '%s': want lava-send, lava-wait, lava-wait-all or lava-sync", name)
	}
	if r.ID == "" {
		return r, pipeline.Blamef(pipeline.Job, "Missing messageID")
	}
	return r, nil
}

// duration reads a timeout: a mapping as elsewhere, or a number of seconds.
func duration(d pipeline.Data) (time.Duration, error) {
	if n := d.Int(-1); n >= 0 && d.Kind() != pipeline.Mapping {
		return time.Duration(n) * time.Second, nil
	}
	return pipeline.Duration(d)
}

// collate picks the values that the block asks for, those that begin with a dollar sign, out of what
// was sent. LAVA looks at the first sender only, and keeps the first key; we look on, and keep all.
func (m *Multinode) collate(s *pipeline.Session, request pipeline.Data, r multinode.Request, a multinode.Answer) error {
	if r.Op != multinode.Wait && r.Op != multinode.WaitAll {
		return nil
	}
	var found []pipeline.Pair
	wanted := false
	for _, p := range request.Get("message").Pairs() {
		if text := p.Value.Text(); len(text) == 0 || text[0] != '$' {
			continue
		}
		wanted = true
		for _, sent := range a.Messages {
			if v, ok := multinode.Value(sent.Message, p.Key); ok {
				found = append(found, pipeline.Pair{Key: p.Key, Value: pipeline.Of(v)})
				break
			}
		}
	}
	switch {
	case !wanted:
		return nil
	case len(found) == 0:
		return pipeline.Blamef(pipeline.Job, "Unable to identify replaceable values in the parameters: %s", request.Get("message").Python())
	}
	s.Log.Info("Setting namespace data key %s to %s", r.ID, pipeline.Of(found).Python())
	pipeline.Put(s, pipeline.ProtocolData(multinodeName, r.ID), found)
	return nil
}
