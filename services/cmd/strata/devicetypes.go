package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

// The list is without templates and health checks; "device-types show" and its --json have them.
func (a *app) deviceTypesCommand() *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use:     "device-types",
		Short:   "List device types, and change them",
		Long:    "List the kinds of device that jobs may ask for, with their devices counted by health and the jobs that wait for them.",
		Example: "  strata device-types\n  strata device-types configure qemu --health-check check.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all []api.DeviceType
			return a.askAt(cmd, at, "device-types.list", struct{}{}, &all, func() error {
				var rows [][]string
				for _, t := range all {
					counts := ""
					for _, health := range sortedKeys(t.Devices) {
						counts += fmt.Sprintf("%d %s ", t.Devices[health], a.paint(a.out, healthColour(health), health))
					}
					rows = append(rows, []string{string(t.DeviceType), or(counts), fmt.Sprint(t.Waiting), t.Description})
				}
				return a.table([]string{"TYPE", "DEVICES", "WAITING", "DESCRIPTION"}, rows)
			})
		},
	}
	atFlag(cmd, &at)
	cmd.AddCommand(a.deviceTypesPrune(), a.deviceTypeShow(), a.deviceTypeConfigure(), a.deviceTypeRemove(),
		a.deviceTypesImport(), a.versionsCommand("device type", "device-types", "device-types.config"))
	return cmd
}

func (a *app) deviceTypeShow() *cobra.Command {
	return &cobra.Command{
		Use:     "show TYPE",
		Short:   "Show one device type",
		Long:    "Show all settings of one device type, with its template and health check; an alias does for its name.",
		Example: "  strata device-types show qemu",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var t api.DeviceType
			return a.ask(cmd, "device-types.show", api.DeviceType{DeviceType: events.DeviceTypeName(args[0])}, &t, func() error {
				return a.printDeviceType(t)
			})
		},
	}
}

// printDeviceType writes a device type for people: a line a setting, then its texts.
// Where there is no health check, LAVA's rule holds: devices of unknown health take jobs.
func (a *app) printDeviceType(t api.DeviceType) error {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(a.out, "%-15s%s\n", name+":", value)
		}
	}
	checks := fmt.Sprintf("every %d %s", t.HealthFrequency, t.HealthDenominator)
	switch {
	case t.HealthCheck == "":
		checks = "none: devices are given jobs while Good or Unknown"
	case t.HealthDisabled:
		checks = "switched off"
	}
	line("device type", string(t.DeviceType))
	line("description", t.Description)
	line("architecture", t.Architecture)
	line("aliases", strings.Join(t.Aliases, ", "))
	if t.Hidden {
		line("hidden", "not shown, and takes no jobs")
	}
	line("health checks", checks)
	for _, p := range t.Permissions {
		line("permission", fmt.Sprintf("%s of group %s", p.Permission, p.Group))
	}
	for _, text := range []struct{ name, text string }{{"health check", t.HealthCheck}, {"template", t.Template}} {
		if text.text != "" {
			fmt.Fprintf(a.out, "\n%s:\n%s\n", text.name, strings.TrimSuffix(text.text, "\n"))
		}
	}
	if t.Template == "" {
		fmt.Fprintf(a.out, "\nno template of its own: dictionaries extend what comes with Strata, or say all themselves\n")
	}
	return nil
}

// Of two people who change one type at the same moment, the later one's whole settings count.
func (a *app) deviceTypeConfigure() *cobra.Command {
	var in api.DeviceType // what the flags say; only the flags that were given count
	var template, check string
	jobs := 0
	cmd := &cobra.Command{
		Use:   "configure TYPE",
		Short: "Add a device type, or change its settings",
		Long: `Change settings of a device type, which is added where it is new. What no flag names stays as it is, or
gets its default in a new type; an empty value, such as --health-check "", takes a setting away.`,
		Example: "  strata device-types configure qemu --template qemu.jinja2 --health-check check.yaml --health-hours 12\n" +
			"  strata device-types configure qemu --no-health-checks",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.DeviceType = events.DeviceTypeName(args[0])
			// The api takes 0 for its default; a person who writes 0 means none.
			for flag, n := range map[string]int{"health-hours": in.HealthFrequency, "health-jobs": jobs} {
				if cmd.Flags().Changed(flag) && n < 1 {
					return misuse("--%s %d: at least 1; --no-health-checks asks for none", flag, n)
				}
			}
			var err error
			if in.Template, err = a.readText(template); err != nil {
				return err
			}
			if in.HealthCheck, err = a.readText(check); err != nil {
				return err
			}
			c, done, err := a.client()
			if err != nil {
				return err
			}
			defer done()
			// The lab replaces the settings as a whole: a type that lost its template to a change of its
			// health check would take its devices out.
			var t api.DeviceType
			err = c.Call(cmd.Context(), "device-types.show", api.DeviceType{DeviceType: in.DeviceType}, &t)
			var refused *api.Error
			switch {
			// A new type has no settings to keep, so defaults of the flags are its own.
			case errors.As(err, &refused) && refused.Code == api.NotFound:
				t = in
			case err != nil:
				return explain(err)
			default:
				given(cmd.Flags().Changed, in, &t)
			}
			switch {
			case cmd.Flags().Changed("health-jobs"):
				t.HealthFrequency, t.HealthDenominator = jobs, events.Jobs
			case cmd.Flags().Changed("health-hours"):
				t.HealthDenominator = events.Hours
			}
			var now api.DeviceType
			if err := c.Call(cmd.Context(), "device-types.configure", t, &now); err != nil {
				return explain(err)
			}
			if a.json {
				return a.printJSON(now)
			}
			for _, note := range now.Notes {
				a.say("note: %s", note)
			}
			_, err = fmt.Fprintf(a.out, "device type %s configured\n", now.DeviceType)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Description, "description", "", "a sentence about it")
	f.StringVar(&in.Architecture, "architecture", "", "such as arm64")
	f.StringSliceVar(&in.Aliases, "alias", nil, "other names that jobs may ask for, all of them")
	f.BoolVar(&in.Hidden, "hidden", false, "not shown, and takes no jobs")
	f.StringVar(&template, "template", "", "file with the type's Jinja2 template")
	f.StringVar(&check, "health-check", "", "file with the job definition that proves a device")
	f.IntVar(&in.HealthFrequency, "health-hours", 24, "hours between health checks")
	f.IntVar(&jobs, "health-jobs", 0, "jobs between health checks, instead of hours")
	cmd.MarkFlagsMutuallyExclusive("health-hours", "health-jobs")
	f.BoolVar(&in.HealthDisabled, "no-health-checks", false, "check nothing by itself")
	return cmd
}

// given puts the settings whose flags were given in place of those that a device type has.
// A flag whose value is its default counts where it was given: --hidden=false shows a type again.
func given(changed func(flag string) bool, in api.DeviceType, t *api.DeviceType) {
	for flag, set := range map[string]func(){
		"description":  func() { t.Description = in.Description },
		"architecture": func() { t.Architecture = in.Architecture },
		"alias":        func() { t.Aliases = in.Aliases },
		"hidden":       func() { t.Hidden = in.Hidden },
		"template":     func() { t.Template = in.Template },
		"health-check": func() { t.HealthCheck = in.HealthCheck },
		"health-hours": func() {
			t.HealthFrequency, t.HealthDenominator = in.HealthFrequency, in.HealthDenominator
		},
		"no-health-checks": func() { t.HealthDisabled = in.HealthDisabled },
	} {
		if changed(flag) {
			set()
		}
	}
}

// Both refusals, of devices and of templates, are the api's: status 1.
func (a *app) deviceTypeRemove() *cobra.Command {
	return &cobra.Command{
		Use:     "remove TYPE",
		Short:   "Take a device type without devices out of the lab",
		Long:    "Take a device type out of the lab that has no devices, and whose template nothing extends.",
		Example: "  strata device-types remove beaglebone-black",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := api.DeviceType{DeviceType: events.DeviceTypeName(args[0])}
			return a.ask(cmd, "device-types.remove", in, &struct{}{}, func() error {
				_, err := fmt.Fprintf(a.out, "device type %s removed\n", in.DeviceType)
				return err
			})
		},
	}
}
