package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"strata/events"
	"strata/services/api"
)

// meantType refuses a device type that the lab does not have but that reads like one that it has: a slip of the finger
// would become a type that no job asks for. One that is like none passes; the lab's answer says that it is new.
func (a *app) meantType(ctx context.Context, kind events.DeviceTypeName) error {
	c, done, err := a.client()
	if err != nil {
		return err
	}
	defer done()
	var types []api.DeviceType
	if err := c.Call(ctx, "device-types.list", struct{}{}, &types); err != nil {
		return explain(err)
	}
	var names []string
	for _, t := range types {
		names = append(names, string(t.DeviceType))
		names = append(names, t.Aliases...)
	}
	if slices.Contains(names, string(kind)) {
		return nil
	}
	if near := api.NearNames(string(kind), names); len(near) > 0 {
		return fmt.Errorf("the lab has no device type %s, but %s; --new-type adds it all the same", kind, strings.Join(near, ", "))
	}
	return nil
}
