package api

import (
	"context"

	"strata/events"
	"strata/events/lab"
)

// DescribeRequest says what is known of a device beside its dictionary. What is not given stays.
// In LAVA these are fields of the device: description, device_version, physical_owner and physical_group.
type DescribeRequest struct {
	Device      events.DeviceName `json:"device"`
	Description *string           `json:"description,omitempty"` // at most 200 characters
	Hardware    *string           `json:"hardware,omitempty"`    // revision of the board
	Owner       *events.UserName  `json:"owner,omitempty"`       // who has it on the desk; takes it from a group
	OwnerGroup  *events.GroupName `json:"owner_group,omitempty"` // or which group has; takes it from a person
}

// describeDevice records what is known of a device.
// The fact holds all four, so what is not given is taken over from the state that it is decided on.
func (a *api) describeDevice(ctx context.Context, who caller, in DescribeRequest) (Device, error) {
	of := DeviceRequest{Device: in.Device}
	if in.Description != nil {
		of.Description = *in.Description
	}
	if err := of.check(); err != nil {
		return Device{}, err
	}
	if in.Owner != nil && *in.Owner != "" && in.OwnerGroup != nil && *in.OwnerGroup != "" {
		return Device{}, &Error{Code: Invalid, Field: "owner_group", Message: "a person or a group has the device on the desk, not both"}
	}
	return a.changeDevice(ctx, who, of, func(_ *lab.State, d *lab.Device) ([]events.Event, error) {
		e := events.DeviceDescribed{Device: d.Name, Description: d.Description, Hardware: d.Hardware, Owner: d.Owner, OwnerGroup: d.OwnerGroup}
		if in.Description != nil {
			e.Description = *in.Description
		}
		if in.Hardware != nil {
			e.Hardware = *in.Hardware
		}
		if in.Owner != nil {
			e.Owner, e.OwnerGroup = *in.Owner, ""
		}
		if in.OwnerGroup != nil {
			// A group that takes the device puts the person out, unless the request says both.
			e.OwnerGroup = *in.OwnerGroup
			if in.Owner == nil {
				e.Owner = ""
			}
		}
		// A form that is sent as it was is no fact.
		if e == (events.DeviceDescribed{Device: d.Name, Description: d.Description, Hardware: d.Hardware, Owner: d.Owner, OwnerGroup: d.OwnerGroup}) {
			return nil, nil
		}
		e.By = who.user
		return []events.Event{e}, nil
	})
}
