package main

import (
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/schemas/device"
	"strata/services/api"
)

// With --json all of them are one array of api.Device, the same as the verb devices.list gives.
func (a *app) devicesCommand() *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use:   "devices",
		Short: "List devices, and change them",
		Long: `List the devices of the lab: their state (Idle, Reserved, Running), their health, and the job that
holds them. The subcommands add devices, give them dictionaries, move, tag and remove them.`,
		Example: "  strata devices\n  strata devices add qemu01 --type qemu --worker lab1 --dict qemu01.yaml\n  strata devices health qemu01 Maintenance --reason 'new cable'\n  strata devices --at 'yesterday 10:00'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all []api.Device
			return a.askAt(cmd, at, "devices.list", struct{}{}, &all, func() error {
				if len(all) == 0 {
					a.say("no devices yet; `strata devices add` adds one")
				}
				var rows [][]string
				for _, d := range all {
					holder := "-"
					switch {
					case d.Job != 0:
						holder = d.JobDisplay
					case d.HeldBy != "":
						holder = "in hand: " + string(d.HeldBy)
					}
					rows = append(rows, []string{string(d.Device), string(d.DeviceType), or(string(d.Worker)), d.State,
						a.paint(a.out, healthColour(string(d.Health)), string(d.Health)), holder, or(join(d.Tags))})
				}
				return a.table([]string{"DEVICE", "TYPE", "WORKER", "STATE", "HEALTH", "JOB", "TAGS"}, rows)
			})
		},
	}
	atFlag(cmd, &at)
	cmd.AddCommand(a.deviceShow(), a.deviceAdd(), a.deviceConfigure(), a.deviceMove(), a.deviceHealth(),
		a.deviceTag("tag", "devices.tag", "Give a device a tag"), a.deviceTag("untag", "devices.untag", "Take a tag from a device"),
		a.deviceRemove(), a.deviceRender(),
		a.deviceCopy(), a.deviceDescribe(), a.devicePower(), a.deviceConsole(), a.deviceCheck(), a.deviceRelease(),
		a.devicesImport(), a.versionsCommand("device", "devices", "devices.config"))
	return cmd
}

// ask calls one verb and prints the answer: as JSON, or by human.
// Both doors of a command's output stand here: scripts get what the api said, unchanged, as one line,
// and people what human prints. An error of the api is the error of the command, status 1.
func (a *app) ask(cmd *cobra.Command, verb string, in, out any, human func() error) error {
	c, done, err := a.client()
	if err != nil {
		return err
	}
	defer done()
	if err := c.Call(cmd.Context(), verb, in, out); err != nil {
		return explain(err)
	}
	if a.json {
		return a.printJSON(out)
	}
	return human()
}

func (a *app) deviceShow() *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use:     "show DEVICE",
		Short:   "Show one device and its dictionary",
		Long:    "Show one device: its state and health with the reason, its tags, and the dictionary that it has.",
		Example: "  strata devices show qemu01",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var d api.Device
			return a.askAt(cmd, at, "devices.show", api.DeviceRequest{Device: events.DeviceName(args[0])}, &d, func() error {
				fmt.Fprintf(a.out, "%s is %s on %s, %s, health %s%s%s\n", d.Device, d.DeviceType, workerPhrase(d.Worker), d.State,
					a.paint(a.out, healthColour(string(d.Health)), string(d.Health)), prefixed(" by ", string(d.HealthBy)), prefixed(": ", d.HealthReason))
				if len(d.Tags) > 0 {
					fmt.Fprintf(a.out, "tags: %s\n", join(d.Tags))
				}
				if d.Version == 0 {
					_, err := fmt.Fprintf(a.out, "no dictionary, so it takes no jobs: `strata devices configure %s FILE` gives it one\n", d.Device)
					return err
				}
				_, err := fmt.Fprintf(a.out, "dictionary, version %d:\n%s\n", d.Version, d.Dictionary)
				return err
			})
		},
	}
	atFlag(cmd, &at)
	return cmd
}

// workerPhrase says where a device hangs: no name at all reads as if something were missing.
func workerPhrase(w events.WorkerName) string {
	if w == "" {
		return "no worker"
	}
	return "worker " + string(w)
}

func (a *app) deviceAdd() *cobra.Command {
	var in api.DeviceRequest
	var dict string
	var tags []string
	var fresh bool
	cmd := &cobra.Command{
		Use:   "add DEVICE",
		Short: "Add a device to the lab",
		Long: `Add a device. Its type is added with it where it is new; one that reads like a type of the lab is taken for
a slip, unless --new-type says that it is meant. A device takes jobs once it has a worker
and a dictionary: LAVA's device dictionary, or the YAML that one renders to.`,
		Example: "  strata devices add qemu01 --type qemu --worker lab1 --dict qemu01.yaml --health Good",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Device = events.DeviceName(args[0])
			for _, t := range tags {
				in.Tags = append(in.Tags, events.TagName(t))
			}
			text, err := a.readDictionary(dict)
			if err != nil {
				return err
			}
			in.Dictionary = text
			// Asked before the change and by a question of its own, as a lab's other clients may add
			// devices of new types as they like: it is people who slip.
			if !fresh {
				if err := a.meantType(cmd.Context(), in.DeviceType); err != nil {
					return err
				}
			}
			return a.changed(cmd, "devices.add", in, "added")
		},
	}
	f := cmd.Flags()
	f.StringVar((*string)(&in.DeviceType), "type", "", "device type")
	f.BoolVar(&fresh, "new-type", false, "the type is new, though the lab has one of a name much like it")
	f.StringVar((*string)(&in.Worker), "worker", "", "worker that it hangs on")
	f.StringVar(&dict, "dict", "", "file with its dictionary")
	f.StringVar((*string)(&in.Health), "health", "", "health to begin with (default Unknown)")
	f.StringVar(&in.Description, "description", "", "a sentence about it")
	f.StringSliceVar(&tags, "tag", nil, "tags, with commas between them")
	_ = cmd.MarkFlagRequired("type") // fails only for a flag that is not there
	return cmd
}

// The text is checked here only as far as it stands alone; the lab renders a template with its types,
// and refuses what no job could run with.
func (a *app) deviceConfigure() *cobra.Command {
	var in api.DeviceRequest
	cmd := &cobra.Command{
		Use:     "configure DEVICE FILE",
		Short:   "Give a device a dictionary",
		Long:    "Give a device a new dictionary. Earlier versions stay: `strata devices config NAME` shows who changed it when.",
		Example: "  strata devices configure qemu01 qemu01.yaml --reason 'more memory'",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Device = events.DeviceName(args[0])
			text, err := a.readDictionary(args[1])
			if err != nil {
				return err
			}
			in.Dictionary = text
			return a.changed(cmd, "devices.configure", in, "configured")
		},
	}
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why")
	return cmd
}

// The empty name is an argument that has to be given, never a default: it takes the device out of use.
func (a *app) deviceMove() *cobra.Command {
	return &cobra.Command{
		Use:     "move DEVICE WORKER",
		Short:   "Hang a device on another worker",
		Long:    `Hang an idle device on another worker; "" takes it from its worker, and it takes no jobs.`,
		Example: "  strata devices move qemu01 lab2",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := api.DeviceRequest{Device: events.DeviceName(args[0]), Worker: events.WorkerName(args[1])}
			return a.changed(cmd, "devices.move", in, "moved")
		},
	}
}

// The words are LAVA's, of which the api takes any case; completion offers them as they are written.
func (a *app) deviceHealth() *cobra.Command {
	var in api.DeviceRequest
	cmd := &cobra.Command{
		Use:   "health DEVICE HEALTH",
		Short: "Say how well a device is",
		Long: `Say how well a device is: Good, Unknown (a health check decides), Looping (check for ever), Bad,
Maintenance or Retired. Unknown forces a health check where the device type has one. What you set is never
undone by the end of a job; Retired cancels the job that runs on the device.`,
		Example:   "  strata devices health qemu01 Maintenance --reason 'new cable'",
		Args:      cobra.ExactArgs(2),
		ValidArgs: []string{"Good", "Unknown", "Looping", "Bad", "Maintenance", "Retired"},
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Device, in.Health = events.DeviceName(args[0]), events.DeviceHealth(args[1])
			return a.changed(cmd, "devices.health", in, "is "+args[1])
		},
	}
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why")
	return cmd
}

func (a *app) deviceTag(use, verb, short string) *cobra.Command {
	return &cobra.Command{
		Use:     use + " DEVICE TAG",
		Short:   short,
		Long:    short + ". Jobs may ask for tags; a device must carry all that a job asks for.",
		Example: "  strata devices " + use + " qemu01 kvm",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := api.DeviceRequest{Device: events.DeviceName(args[0]), Tag: events.TagName(args[1])}
			return a.changed(cmd, verb, in, use+"ged "+args[1])
		},
	}
}

func (a *app) deviceRemove() *cobra.Command {
	var in api.DeviceRequest
	cmd := &cobra.Command{
		Use:     "remove DEVICE",
		Short:   "Take a device out of the lab",
		Long:    "Take a device without a job out of the lab. Its history stays.",
		Example: "  strata devices remove qemu01 --reason broken",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Device = events.DeviceName(args[0])
			return a.changed(cmd, "devices.remove", in, "removed")
		},
	}
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why")
	return cmd
}

// changed asks for a change of a device and says that it was done.
func (a *app) changed(cmd *cobra.Command, verb string, in api.DeviceRequest, what string) error {
	var d api.Device
	return a.ask(cmd, verb, in, &d, func() error {
		for _, note := range d.Notes {
			a.say("note: %s", note)
		}
		_, err := fmt.Fprintf(a.out, "device %s %s\n", in.Device, what)
		return err
	})
}

// readDictionary reads a device's dictionary, "" where no file is named. One that no job could run
// with is refused here, where its file has a name; a template is the lab's to render.
func (a *app) readDictionary(file string) (string, error) {
	text, err := a.readText(file)
	switch {
	case err != nil || file == "":
		return text, err
	// JSON would put U+FFFD in the place of such bytes, and nobody would see that the dictionary has
	// changed.
	case !utf8.ValidString(text):
		return "", fmt.Errorf("dictionary %s is not text in UTF-8", file)
	case device.IsTemplate([]byte(text)):
		return text, nil
	}
	if _, err := device.Load([]byte(text), nil); err != nil {
		return "", fmt.Errorf("dictionary %s: %w", file, err)
	}
	return text, nil
}

// readText reads a file that the lab is to keep; "-" is standard input, "" is nothing.
func (a *app) readText(file string) (string, error) {
	var body []byte
	var err error
	switch file {
	case "":
		return "", nil
	case "-":
		body, err = io.ReadAll(a.input())
	default:
		body, err = os.ReadFile(file)
	}
	return string(body), err
}
