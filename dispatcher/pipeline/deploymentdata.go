package pipeline

// DeploymentData returns what is known of an operating system by the name that a deploy block's
// `os` has: an empty mapping for one that is not in the table. Keys: lava_test_sh_cmd,
// lava_test_results_dir, lava_test_shell_file (null: none), distro, line_separator, tar_flags, and
// for the installers preseed_to_ramdisk, prompts and the kernel's arguments base, locale, keymaps
// and netcfg, with which the installer asks nothing (Debian's installation guide, appendix B).
func DeploymentData(os string) Data {
	const (
		sh, bash = "/bin/sh", "/bin/bash"
		dir, rc  = "/lava-%s", "~/.bashrc"
		tar      = "--warning no-timestamp"
	)
	switch os {
	case "android":
		return system("/system/bin/sh", "/data/local/tmp/lava-%s", nil, "android", "")
	case "apertis":
		return system(sh, "/var/lib/lava-%s", rc, "apertis", tar)
	case "archlinux", "centos", "debian", "fedora", "slackware":
		return system(bash, dir, rc, os, tar)
	case "qnx", "ubuntu":
		return system(sh, dir, rc, os, tar)
	case "oe":
		return system(sh, dir, rc, os, "")
	case "lede":
		return system(sh, "/tmp/lava-results-%s", nil, "lede", "")
	case "centos_installer":
		return system(bash, dir, rc, "centos", "").With("preseed_to_ramdisk", Of("preseed.cfg"))
	case "debian_installer":
		return system(bash, dir, rc, "debian", "").
			With("base", Of("auto=true priority=critical install noprompt")).
			With("locale", Of("debian-installer/locale=en_US")).
			With("keymaps", Of("keyboard-configuration/xkb-keymap=us console-keymaps-at/keymap=us")).
			With("netcfg", Of("netcfg/choose_interface=auto netcfg/get_hostname=debian netcfg/get_domain=")).
			With("prompts", Of([]string{
				"ERROR: Installation step failed",
				"ERROR: Failed to retrieve the preconfiguration file",
				"Press enter to continue",
				"reboot: Power down",
			}))
	}
	return Of([]Pair{})
}

// system makes an entry of the table. shellFile is a text, or nil where the system has none.
func system(shell, dir string, shellFile any, distro, tarFlags string) Data {
	d := Of([]Pair{
		{"lava_test_sh_cmd", Of(shell)},
		{"lava_test_results_dir", Of(dir)},
		{"lava_test_shell_file", Of(shellFile)},
		{"distro", Of(distro)},
		{"line_separator", Of("\n")},
	})
	if tarFlags != "" {
		d = d.With("tar_flags", Of(tarFlags))
	}
	return d
}
