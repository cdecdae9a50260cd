package overlay

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"strata/dispatcher/pipeline"
)

//go:embed scripts
var scripts embed.FS

// Script is one file of bin/ on the device.
type Script struct {
	Name   string // lava-test-case
	Distro string // whose variant it is; empty for the generic one
	Body   string // the whole file, with its first line
}

// Distributions whose helpers are another's.
var borrowed = map[string]string{"apertis": "debian", "ubuntu": "debian"}

// Scripts returns the helpers for a device, the generic ones first, by name, then the variants of
// the distribution, each of which replaces the generic one of its name. The shell is the
// interpreter of their first line. The device's dictionary tells some of them what to print.
func Scripts(shell, distro string, device pipeline.Data) ([]Script, error) {
	var out []Script
	add := func(dir, distro string) error {
		entries, err := fs.ReadDir(scripts, dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			text, err := fs.ReadFile(scripts, dir+"/"+e.Name())
			if err != nil {
				return err
			}
			// The file's own first line is for editors and checkers.
			_, body, _ := strings.Cut(string(text), "\n")
			out = append(out, Script{e.Name(), distro, "#!" + shell + "\n\n" + variables(e.Name(), device) + body})
		}
		return nil
	}
	if err := add("scripts/generic", ""); err != nil {
		return nil, fmt.Errorf("read helpers: %w", err)
	}
	from := distro
	if other, ok := borrowed[distro]; ok {
		from = other
	}
	if from == "" || from == "generic" {
		return out, nil
	}
	// A distribution without helpers of its own, such as lede, has no directory.
	if _, err := fs.Stat(scripts, "scripts/"+from); err != nil {
		return out, nil
	}
	if err := add("scripts/"+from, distro); err != nil {
		return nil, fmt.Errorf("read helpers of %s: %w", distro, err)
	}
	return out, nil
}

// variables returns the assignments that a helper starts with: what it tells of the device.
func variables(name string, device pipeline.Data) string {
	assign := func(key, value string) string {
		if value == "" {
			return ""
		}
		return key + "=" + Quote(value) + "\n"
	}
	switch name {
	case "lava-target-ip":
		return assign("TARGET_DEVICE_IP", device.Get("parameters", "interfaces", "target", "ip").Text())
	case "lava-target-mac":
		return assign("TARGET_DEVICE_MAC", device.Get("parameters", "interfaces", "target", "mac").Text())
	case "lava-target-storage":
		var lines []string
		for _, item := range device.Get("storage_info").Items() {
			for _, p := range item.Pairs() {
				for _, value := range p.Value.Texts() {
					lines = append(lines, "\t"+p.Key+"\t"+value)
				}
			}
		}
		return assign("LAVA_STORAGE", strings.Join(lines, "\n"))
	case "lava-probe-ip", "lava-probe-channel":
		for _, item := range device.Get("static_info").Items() {
			ip, channel := item.Get("probe_ip").Text(), item.Get("probe_channel").Text()
			if ip == "" || channel == "" {
				continue
			}
			if name == "lava-probe-ip" {
				return assign("PROBE_DEVICE_IP", ip)
			}
			return assign("PROBE_DEVICE_CHANNEL", channel)
		}
	}
	return ""
}

// Quote returns s as one word for a POSIX shell. Words of letters, digits and @%+=:,./-_ stay as
// they are, as in Python's shlex.quote.
func Quote(s string) string {
	plain := s != ""
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("@%+=:,./-_", r):
		default:
			plain = false
		}
	}
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'"
}
