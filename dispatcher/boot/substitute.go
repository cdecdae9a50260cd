package boot

import (
	"fmt"
	"strconv"
	"strings"

	"strata/dispatcher/pipeline"
)

// substitutions are the placeholders of boot loader commands, braces and all, and what stands for
// them. A placeholder without an entry stays as it is.
type substitutions struct{ pairs []pipeline.Pair }

func (t *substitutions) set(name, value string) {
	t.pairs = pipeline.Of(t.pairs).With(name, pipeline.Of(value)).Pairs()
}

// fill replaces the placeholders. A line that has one whose value is empty is left out: it would
// load what was not deployed.
func (t substitutions) fill(lines []string) []string {
	var out []string
	for _, line := range lines {
		empty := false
		for _, p := range t.pairs {
			if !strings.Contains(line, p.Key) {
				continue
			}
			if p.Value.Text() == "" {
				empty = true
				break
			}
			line = strings.ReplaceAll(line, p.Key, p.Value.Text())
		}
		if !empty {
			out = append(out, strings.Split(line, "\n")...) // {APPLY_DTBO_COMMANDS} stands for several
		}
	}
	return out
}

// replace is fill that leaves placeholders without a value, and their lines, as they are.
func (t substitutions) replace(lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		for _, p := range t.pairs {
			if value := p.Value.Text(); value != "" {
				line = strings.ReplaceAll(line, p.Key, value)
			}
		}
		out[i] = line
	}
	return out
}

// always replaces placeholders, by nothing where they have no value.
func (t substitutions) always(lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		for _, p := range t.pairs {
			line = strings.ReplaceAll(line, p.Key, p.Value.Text())
		}
		out[i] = line
	}
	return out
}

// served returns where the device finds a file: the first of the keys that has a value.
func served(s *pipeline.Session, keys ...pipeline.Key[string]) string {
	for _, key := range keys {
		if v, _ := pipeline.Get(s, key); v != "" {
			return v
		}
	}
	return ""
}

// table makes the substitutions of what was deployed.
func (a *loaderOverlay) table(s *pipeline.Session) (substitutions, error) {
	var t substitutions
	ip, err := s.DispatcherIP("")
	if err != nil {
		return t, err
	}
	t.set("{SERVER_IP}", ip)
	t.set("{LAVA_DISPATCHER_IP}", ip)
	t.set("{LAVA_JOB_ID}", s.ID)
	t.set("{PRESEED_CONFIG}", served(s, pipeline.Served("preseed")))
	t.set("{PRESEED_LOCAL}", served(s, pipeline.PreseedLocal))
	t.set("{DTB}", served(s, pipeline.Served("dtb")))
	ramdisk := served(s, pipeline.PreparedRamdisk, pipeline.Served("ramdisk"))
	initrd := served(s, pipeline.NBDInitrd, pipeline.Served("initrd"))
	t.set("{RAMDISK}", first(ramdisk, initrd))
	t.set("{INITRD}", first(ramdisk, initrd))
	t.set("{KERNEL}", served(s, pipeline.PreparedKernel, pipeline.Served("kernel")))
	t.set("{TEE}", served(s, pipeline.Served("tee")))
	t.set("{LAVA_MAC}", first(a.loader.parameters(s).Get("lava_mac").Text(), s.Device.Get("parameters", "interfaces", "target", "mac").Text()))
	if suffix, ok := pipeline.Get(s, pipeline.TFTPSuffix); ok {
		t.set("{EXTRA_FILES_DIR}", suffix)
	}
	if err := a.kernelArguments(s, &t, ramdisk, initrd); err != nil {
		return t, err
	}
	a.network(s, &t, ip)
	t.set("{ROOT}", served(s, mediaRoot))
	t.set("{ROOT_PART}", served(s, mediaPart))
	return t, nil
}

// kernelArguments adds the addresses and the command that boots.
func (a *loaderOverlay) kernelArguments(s *pipeline.Session, t *substitutions, ramdisk, initrd string) error {
	command, ok := pipeline.Get(s, pipeline.BootCommand)
	if !ok {
		if s.Block().Has("type") {
			return pipeline.Blamef(pipeline.Job, "Kernel image type can't be determined")
		}
		return nil
	}
	at := s.Device.Get("parameters", command)
	to := addresses{at.Get("kernel").Text(), at.Get("ramdisk").Text(), at.Get("dtb").Text(), at.Get("tee").Text(), at.Get("dtbo").Text()}
	t.set("{KERNEL_ADDR}", to.kernel)
	t.set("{DTB_ADDR}", to.dtb)
	t.set("{RAMDISK_ADDR}", to.ramdisk)
	t.set("{TEE_ADDR}", to.tee)
	to.result(s)
	bootRamdisk := to.ramdisk
	header := s.Device.Get("actions", "deploy", "parameters", "add_header").Text()
	switch {
	case ramdisk == "" && initrd == "":
		bootRamdisk = "-"
	case ramdisk == "" || a.loader.method == "u-boot" && header == "raw":
		bootRamdisk += ":${initrd_size}" // without a header only the size of the last load is known
	case a.loader.method == "u-boot" && header != "u-boot":
		bootRamdisk = "-"
	}
	entry := to.kernel
	if served(s, pipeline.Served("tee")) != "" {
		entry = to.tee
	}
	t.set("{BOOTX}", fmt.Sprintf("%s %s %s %s", command, entry, bootRamdisk, to.dtb))
	a.deviceTree(s, t, to)
	return nil
}

// deviceTree adds what applies overlays to the device tree.
func (a *loaderOverlay) deviceTree(s *pipeline.Session, t *substitutions, to addresses) {
	apply := a.loader.parameters(s).Get("apply_dtbo_commands").Texts()
	var lines []string
	for i := 0; ; i++ {
		file := served(s, pipeline.Served("dtbo"+strconv.Itoa(i)))
		if file == "" {
			break
		}
		t.set(fmt.Sprintf("{DTBO%d}", i), file)
		for _, line := range apply {
			line = strings.ReplaceAll(line, "{DTBO}", file)
			lines = append(lines, strings.ReplaceAll(line, "{DTBO_ADDR}", to.dtbo))
		}
	}
	t.set("{DTB_BASE_ADDR}", to.dtb)
	t.set("{DTB_BASE_RESIZE}", strconv.Itoa(s.Device.Get("parameters", "dtb_base_resize").Int(1048576)))
	if len(lines) > 0 {
		t.set("{DTBO_ADDR}", to.dtbo)
	}
	t.set(applyOverlays, strings.Join(lines, "\n"))
}

// applyOverlays stands for several lines: those that apply each device-tree overlay.
const applyOverlays = "{APPLY_DTBO_COMMANDS}"

// network adds the servers of root file systems.
func (a *loaderOverlay) network(s *pipeline.Session, t *substitutions, ip string) {
	if dir, ok := pipeline.Get(s, pipeline.NFSRoot); ok {
		t.set("{NFSROOTFS}", dir)
		t.set("{NFS_SERVER_IP}", ip)
		// Shells on the device get them too (export-device-env).
		s.SetDynamic("NFS_ROOTFS", dir)
		s.SetDynamic("NFS_SERVER_IP", ip)
	}
	if dir, ok := pipeline.Get(s, pipeline.PersistentDir); ok {
		t.set("{NFSROOTFS}", dir)
		t.set("{NFS_SERVER_IP}", served(s, pipeline.PersistentServer))
	}
	if s.Job.Get("protocols").Has("lava-xnbd") {
		t.set("{NBDSERVERIP}", served(s, pipeline.NBDServer))
		t.set("{NBDSERVERPORT}", served(s, pipeline.NBDPort))
	}
}

// first returns the first text that is not empty.
func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
