package deploy

import (
	"fmt"
	"strings"

	"strata/dispatcher/overlay"
	"strata/dispatcher/pipeline"
)

// Methods returns the deploy methods in the order in which they are asked.
func Methods() []pipeline.Method {
	return []pipeline.Method{
		{Name: "avh", Accepts: to("avh", "avh"), Action: avh},
		{Name: "docker", Accepts: to("docker", "docker", "image"), Action: docker},
		{Name: "download", Accepts: to("download", ""), Action: plainDownload},
		{Name: "downloads", Accepts: to("downloads", ""), Action: downloads},
		{Name: "flasher", Accepts: to("flasher", "flasher"), Action: flasher},
		{Name: "fastboot", Accepts: acceptsFastboot, Action: fastboot},
		{Name: "fvp", Accepts: to("fvp", ""), Action: fvp},
		{Name: "images", Words: []string{"tmpfs"}, Accepts: images, Action: func(pipeline.Data) pipeline.Action { return &tmpfs{} }},
		{Name: "qemu-nfs", Words: []string{"nfs"}, Accepts: acceptsQEMUNFS, Action: qemuNFS},
		{Name: "iso-installer", Accepts: acceptsInstaller, Action: isoInstaller},
		{Name: "mps", Accepts: acceptsMPS, Action: mps},
		{Name: "musca", Accepts: acceptsMusca, Action: musca},
		{Name: "nbd", Accepts: to("nbd", "nbd"), Action: nbd},
		{Name: "nfs", Accepts: acceptsNFS, Action: nfs},
		{Name: "overlay", Accepts: to("overlay", "overlay"), Action: func(pipeline.Data) pipeline.Action { return overlay.New() }},
		{Name: "qdl", Accepts: to("qdl", ""), Action: qdl},
		{Name: "recovery", Accepts: to("recovery", "recovery"), Action: recovery},
		{Name: "removable", Words: []string{"usb", "sata", "sd"}, Accepts: acceptsRemovable, Action: removable},
		{Name: "ssh", Accepts: to("ssh", "ssh"), Action: ssh},
		{Name: "tftp", Accepts: to("tftp", "tftp"), Action: tftp},
		{Name: "u-boot-ums", Accepts: to("u-boot-ums", "u-boot-ums"), Action: ubootUMS},
		{Name: "usbg-ms", Accepts: acceptsUSBGadget, Action: usbGadget},
		{Name: "uuu", Accepts: to("uuu", ""), Action: uuu},
		{Name: "vemsd", Accepts: to("vemsd", "vemsd"), Action: vemsd, NoDeploymentData: true},
	}
}

// to accepts a block by its `to`, a method that the device must have ("" for none), and keys that
// the block must have.
func to(name, method string, keys ...string) func(device, block pipeline.Data) (string, error) {
	return func(device, block pipeline.Data) (string, error) {
		if block.Get("to").Text() != name {
			return fmt.Sprintf(`"to" parameter is not %q`, name), nil
		}
		if method != "" && !offers(device, method) {
			return fmt.Sprintf("%q is not in the device configuration deploy methods", method), nil
		}
		for _, key := range keys {
			if !block.Has(key) {
				return fmt.Sprintf("%q is not in the deployment parameters", key), nil
			}
		}
		return "", nil
	}
}

// offers says whether the device's dictionary has a deploy method, be its entry empty.
func offers(device pipeline.Data, method string) bool {
	return device.Get("actions", "deploy", "methods").Has(method)
}

// images accepts `to: tmpfs`.
func images(device, block pipeline.Data) (string, error) {
	if refusal, err := to("tmpfs", "image", "images")(device, block); refusal != "" {
		return refusal, err
	}
	return notMonitor(block), nil
}

// notMonitor refuses blocks of a type that is another method's.
func notMonitor(block pipeline.Data) string {
	if kind := block.Get("type"); !kind.IsNull() && kind.Text() != "monitor" {
		return `"type" parameter is not "monitor"`
	}
	return ""
}

// pairs returns the entries of a mapping that is to hold one download each, or what is wrong.
func pairs(d pipeline.Data, where string) ([]pipeline.Pair, error) {
	if d.Kind() != pipeline.Mapping {
		return nil, pipeline.Blamef(pipeline.Job, "Invalid deploy action: '%s' is not a mapping of names to downloads", where)
	}
	for _, p := range d.Pairs() {
		if p.Value.Kind() != pipeline.Mapping && strings.TrimSpace(p.Key) != "lava" {
			return nil, pipeline.Blamef(pipeline.Job, "Invalid deploy action: '%s.%s' is not a mapping with a url", where, p.Key)
		}
	}
	return d.Pairs(), nil
}
