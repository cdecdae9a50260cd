package api

import "context"

// addPast adds jobs that are over, from ClickHouse. Where that is away the answer says so and holds
// what is current.
func (a *api) addPast(ctx context.Context, out *Jobs, in JobsRequest) {
	if err := a.history.ping(ctx); err != nil {
		out.Away = err.Error()
	}
}
