package boot

import "strata/dispatcher/pipeline"

// Methods returns the boot methods in the order in which they are asked.
//
// TODO: the methods for boards (u-boot, grub, fastboot and so on) come with the Dispatcher issue,
// one file and one row each.
func Methods() []pipeline.Method {
	return []pipeline.Method{
		{Name: "minimal", Accepts: acceptsMinimal, Action: func(pipeline.Data) pipeline.Action { return minimal() }},
		{Name: "qemu", Accepts: acceptsQEMU, Action: func(pipeline.Data) pipeline.Action { return qemu() }},
	}
}

// offers says whether the device's dictionary has a boot method, be its entry empty.
func offers(device pipeline.Data, method string) bool {
	return device.Get("actions", "boot", "methods").Has(method)
}
