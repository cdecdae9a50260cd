package device_test

import (
	"fmt"

	"strata/schemas/device"
	"strata/schemas/job"
)

func ExampleLoad() {
	d, err := device.Load([]byte(`hostname: qemu01
commands: {connect: telnet localhost 7001}
actions:
  boot: {methods: {qemu: {parameters: {command: qemu-system-x86_64}}}}
`), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	console, _ := d.Primary()
	fmt.Println(console.Connect, d.Method(job.Boot, "qemu").Get("parameters", "command").TextOr(""))
	_, err = device.Load([]byte("commands:\n  power_on: {a: b}\n"), nil)
	fmt.Println(err)
	// Output:
	// telnet localhost 7001 qemu-system-x86_64
	// load device configuration: line 2, column 13: commands.power_on: expected a command or a list of commands, found {'a': 'b'}
}
