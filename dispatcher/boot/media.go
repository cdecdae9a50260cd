package boot

import (
	"context"

	"strata/dispatcher/pipeline"
)

// Where a block boots from second media: the root file system's UUID, and the partition that the
// boot loader loads from.
const (
	mediaRoot pipeline.Key[string] = "bootloader-from-media/uuid/root"
	mediaPart pipeline.Key[string] = "bootloader-from-media/uuid/boot_part"
)

// fromMedia is bootloader-from-media and uboot-from-media: it names the files on a disk that an
// earlier block wrote, where the block's commands are for a medium.
type fromMedia struct {
	name       string
	loader     loader
	kernelType bool // U-Boot must be told what kind of kernel it is
}

// Name returns the action's name.
func (a *fromMedia) Name() string { return a.name }

// Description says what the action does.
func (*fromMedia) Description() string { return "name the files of a boot from second media" }

// media returns the kind of medium that the block boots from, "" for none.
func (a *fromMedia) media(s *pipeline.Session) string {
	commands := s.Block().Get("commands")
	if commands.Kind() != pipeline.Text {
		return ""
	}
	if s.Device.Get("parameters", "media").Has(commands.Text()) {
		return commands.Text()
	}
	return ""
}

// Validate checks that the block names what is on the disk.
func (a *fromMedia) Validate(_ context.Context, s *pipeline.Session) error {
	media := a.media(s)
	if media == "" {
		return nil
	}
	block := s.Block()
	needed := []string{"kernel", "root_uuid", "boot_part"}
	if a.kernelType {
		needed = []string{"kernel", "kernel_type", "root_uuid", "boot_part"}
	}
	for _, key := range needed {
		if !block.Has(key) {
			s.Invalid("Missing %s location for secondary media boot from '%s'", key, media)
		}
	}
	if kind := block.Get("kernel_type"); a.kernelType && !kind.IsNull() && bootCommand(kind.Text(), s.Device) == "" {
		s.Invalid("Unknown kernel_type '%s': image, uimage and zimage are known", kind.Text())
	}
	return nil
}

// bootCommand returns the U-Boot command for a type of kernel on a device, "" for an unknown type.
func bootCommand(kind string, device pipeline.Data) string {
	has := func(command string) bool { return device.Get("parameters").Has(command) }
	switch kind {
	case "uimage":
		return "bootm"
	case "zimage":
		if has("bootz") {
			return "bootz"
		}
		return "bootm"
	case "image":
		if has("booti") {
			return "booti"
		}
		return "bootm"
	}
	return ""
}

// Run names the files, in the place of those that another block of the namespace deployed.
func (a *fromMedia) Run(_ context.Context, s *pipeline.Session) error {
	if a.media(s) == "" {
		return nil
	}
	block := s.Block()
	pipeline.Put(s, pipeline.Served("kernel"), block.Get("kernel").Text())
	pipeline.Put(s, pipeline.PreparedKernel, "")
	pipeline.Put(s, pipeline.PreparedRamdisk, block.Get("ramdisk").Text())
	pipeline.Put(s, pipeline.Served("ramdisk"), block.Get("ramdisk").Text())
	pipeline.Put(s, pipeline.Served("dtb"), block.Get("dtb").Text())
	pipeline.Put(s, mediaRoot, block.Get("root_uuid").Text())
	pipeline.Put(s, mediaPart, block.Get("boot_part").Text())
	if command := bootCommand(block.Get("kernel_type").Text(), s.Device); a.kernelType && command != "" {
		pipeline.Put(s, pipeline.BootCommand, command)
	}
	return nil
}
