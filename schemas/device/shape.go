package device

import (
	"regexp"

	"strata/schemas/shape"
)

//go:generate go test . -run TestPublishedIsCurrent -update

// JSONSchema writes the JSON Schema of a rendered device configuration, for editors.
func JSONSchema() ([]byte, error) {
	return shape.JSONSchema(Shape(), shape.Strict, "device.schema.json", "Device configuration")
}

// The names below are short because the table is made of them.
var (
	text     = shape.Text{}
	optional = shape.Optional
	nothing  = shape.Nothing{}
	// open is a mapping of things that each method reads for itself; a template may leave it empty.
	open = shape.Either{shape.Map{Rest: entry("<name>", shape.Anything{}, "")}, nothing}
	// line is a command of the worker, or several that are run in order.
	line = shape.Named{Name: "command", Shape: shape.Either{shape.Text{Least: 1}, shape.List{Of: shape.Text{Least: 1}, Least: 1}}}
	// command is line, or nothing where a template has no value for it.
	command = shape.Either{line, nothing}
)

func entry(name string, s shape.Shape, doc string) *shape.Key {
	k := shape.Optional(name, s, doc)
	return &k
}

// Shape describes a rendered device configuration: the keys of the first levels. What a method has
// below them is its own. [Load] decides what is taken: the shape, which editors show, takes whatever
// Load takes of LAVA's devices, and is stricter with keys that Load leaves to methods.
func Shape() shape.Shape {
	list := shape.List{Of: shape.Anything{}}
	number := shape.Number{Whole: true}
	numberOrText := shape.Either{text, number}
	return shape.Map{Says: "a device configuration", Keys: []shape.Key{
		optional("hostname", text, "Name of the device.").Like("qemu01"),
		optional("devicetype", text, "Name of its type.").Like("qemu"),
		optional("commands", shape.Either{commands(), nothing}, "Commands that the worker runs to reach, power and reset the device."),
		optional("constants", open, "Prompts and messages of bootloaders and kernels, by bootloader."),
		optional("parameters", open, "Load addresses, interfaces and media of the board."),
		optional("actions", shape.Either{shape.Map{Keys: []shape.Key{
			optional("deploy", methods(), "Ways to bring files to the device."),
			optional("boot", methods(), "Ways to start the device."),
			optional("test", open, "Options of tests."),
		}}, nothing}, "The methods that the device knows, and their settings."),
		optional("timeouts", timeoutsShape(), "How long actions may take where the job says nothing."),
		optional("character_delays", shape.Either{shape.Map{Keys: []shape.Key{
			optional("deploy", number, "During a deploy.").In("milliseconds"),
			optional("boot", number, "During a boot.").In("milliseconds"),
			optional("test", number, "During a test.").In("milliseconds"),
		}}, nothing}, "Pause after each character typed, for consoles that lose some."),
		optional("environment", open, "Variables of the test shell."),
		optional("device_info", shape.Either{list, nothing}, "USB devices that belong to the device, which containers may use."),
		optional("static_info", shape.Either{list, nothing}, "Facts about the board that tests and addresses use."),
		optional("storage_info", shape.Either{list, nothing}, "Media of the device."),
		optional("adb_serial_number", numberOrText, "Serial number for adb."),
		optional("fastboot_serial_number", numberOrText, "Serial number for fastboot."),
		optional("fastboot_options", list, "Further options of every call of fastboot."),
		optional("fastboot_auto_detection", shape.Flag{}, "Find the serial number when the device is in fastboot.").Otherwise("false"),
		optional("fastboot_via_uboot", shape.Flag{}, "Fastboot is entered from U-Boot.").Otherwise("false"),
		optional("flash_cmds_order", list, "Order in which fastboot writes partitions."),
		optional("board_id", numberOrText, "USB serial number of the board or its probe."),
		optional("board_qdl_id", numberOrText, "Serial number in emergency download mode."),
		optional("usb_vendor_id", numberOrText, "USB vendor: four hexadecimal digits."),
		optional("usb_product_id", numberOrText, "USB product: four hexadecimal digits."),
		optional("usb_sleep", number, "Pause after the serial port of the device has appeared.").In("seconds"),
		optional("usb_filesystem_label", text, "Label of the disk that the board shows."),
		optional("usb_serial_driver", text, "Kernel driver of the serial port.").Otherwise("cdc_acm"),
		optional("available_architectures", list, "Architectures that the emulator can be."),
		optional("uuu_usb_otg_path", shape.Anything{}, "USB port of the board for uuu, as bus:port."),
		optional("uuu_usb_otg_path_command", shape.Anything{}, "Command that prints the USB port for uuu."),
		optional("uuu_corrupt_boot_media_command", shape.Anything{}, "Bootloader commands that make the board start in download mode."),
	}}
}

func commands() shape.Map {
	return shape.Map{Keys: []shape.Key{
		optional("connect", command, "Opens the only console.").Like("telnet ser2net 7001").OneOf("console"),
		optional("connections", shape.Either{shape.Map{Rest: entry("<console>", shape.Map{Keys: []shape.Key{
			optional("connect", text, "Opens the console.").Like("telnet ser2net 7001"),
			optional("tags", shape.Either{shape.List{Of: text}, nothing}, "primary marks the console of jobs; telnet and ssh say how it is closed.").Like("[primary, telnet]"),
		}}, "A console.")}, nothing}, "Opens several consoles.").OneOf("console"),
		optional("must_use_connection", shape.Flag{}, "Jobs may not open the console of connect.").Otherwise("false"),
		optional("hard_reset", command, "Cuts the power and gives it back.").Like("pduclient --daemon pdu --port 3 --command reboot"),
		optional("soft_reboot", command, "Typed on the device, restarts it.").Like("reboot"),
		optional("power_on", command, "Gives power."),
		optional("power_off", command, "Cuts the power."),
		optional("pre_power_command", command, "Run before power is given."),
		optional("pre_os_command", command, "Run before the operating system starts."),
		optional("recovery_mode", command, "Switches the board into recovery mode."),
		optional("recovery_exit", command, "Switches it out of recovery mode."),
		optional("users", shape.Either{shape.Map{Rest: entry("<command>", shape.Map{Keys: []shape.Key{
			shape.Required("do", line, "What is run."),
			optional("undo", line, "What is run at the end of a job that did."),
		}}, "A command that jobs call by name.")}, nothing}, "Commands of your own."),
	}}
}

func methods() shape.Shape {
	return shape.Either{shape.Map{Keys: []shape.Key{
		optional("methods", open, "Settings of each method that the device knows."),
		optional("connections", shape.Anything{}, "Ways to reach the device while it is done."),
		optional("parameters", open, "Settings of all of them."),
	}}, nothing}
}

// Unlike in a job several units may stand in one duration: they add up.
func timeoutsShape() shape.Shape {
	whole := shape.Number{Whole: true}
	duration := shape.Named{Name: "duration", Shape: shape.Map{Keys: []shape.Key{
		optional("days", whole, "Days of it."), optional("hours", whole, "Hours of it."),
		optional("minutes", whole, "Minutes of it."), optional("seconds", whole, "Seconds of it."),
		optional("skip", shape.Flag{}, "Go on with the next action when it is over.").Otherwise("false"),
	}}}
	named := shape.Either{shape.Map{Pattern: regexp.MustCompile(`^[a-z-]+$`), Rest: entry("<action>", duration, "This action.")}, nothing}
	return shape.Either{shape.Map{Keys: []shape.Key{
		optional("actions", named, "Actions by name.").Like("{bootloader-commands: {minutes: 3}}"),
		optional("connections", named, "Waits for a prompt, by action.").Like("{lava-test-shell: {seconds: 30}}"),
	}}, nothing}
}
