package verdict

import (
	"encoding/json"
	"regexp"
	"strings"

	"strata/events"
)

// brought is what a job has put on its device, beside kernels and what they unpack. What is the job's own
// fails by the job's fault: a loader that crashes is hardware only where the lab has put it there.
type brought struct {
	job    bool // there is a job: else it is not known what is whose
	loader bool
	disk   bool
}

var (
	// loaderLabels are names of artefacts that run before a kernel.
	loaderLabels = regexp.MustCompile(`(?i)^(.*[-_.])?(boot-?loader|u-?boot(-spl)?|spl|tpl|fip|bl[1-3][123]?|bios|firmware|uefi|edk2|ovmf|aavmf|pflash|grub|ipxe|barebox|coreboot|opensbi|tf-?a|atf|tiboot3|tispl|idbloader|imx-boot|preloader|aboot|abl|xbl|sbl1|lk|recovery_image)([-_.].*)?$`)
	// memoryLabels are names of artefacts that a loader fetches into memory, or that are no image of a disk.
	memoryLabels = regexp.MustCompile(`(?i)^(kernel|ramdisk|initrd|initramfs|dtb|dtbo|modules|overlay|nfsrootfs|persistent_nfs|preseed|tee|nbdroot|tests?|.*\.(sha\d+|md5)|test_\w+)$`)
	// loaderActions deploy by a protocol of the chip's boot ROM or write firmware: whatever they send is, or holds, a loader.
	loaderActions = regexp.MustCompile(`^(uuu|qdl|mps|musca|vexpress|recovery|vemsd)\b.*(deploy|fw|flash|recovery)`)
)

// take notes what an action fetched, by the label of its result.
func (b *brought) take(extra json.RawMessage) {
	var fetched struct {
		Label string `json:"label"`
	}
	if len(extra) == 0 || json.Unmarshal(extra, &fetched) != nil || fetched.Label == "" {
		return
	}
	switch name := fetched.Label[strings.LastIndexByte(fetched.Label, '.')+1:]; {
	case loaderLabels.MatchString(fetched.Label):
		b.loader = true
	case !memoryLabels.MatchString(name):
		b.disk = true
	}
}

// action notes what an action that has begun deploys.
func (b *brought) action(name string) {
	b.loader = b.loader || loaderActions.MatchString(name)
}

// medium is what a boot loader reads from.
type medium int

const (
	unknown medium = iota
	network
	disk
)

var (
	// networkPath finds a path or a message that says that what comes next is read over the network.
	networkPath = regexp.MustCompile(`\((?:tftp|https?|net\d*|pxe|efinet\d*)[,)]|\bnet_(?:bootp|dhcp)|\bUEFI (?:PXE|HTTP)v[46]|Start (?:PXE|HTTP) |\bNBP file|\biPXE\b|\b(?:tftp|https?|nfs)://`)
	// diskPath finds one that says that it is read from a disk, or an image of one.
	diskPath = regexp.MustCompile(`\((?:hd\d*|loop\d*|cd\d*|fd\d|ahci\d|ata\d|usb\d|nvme\d|lvm/[^)]*|md/[^)]*|memdisk)[,)]|Booting from (?:Hard Disk|DVD|CD|Floppy)|"UEFI [^"]*(?:Misc Device|HARDDISK|HDD|SSD|[Dd]isk|NVMe|USB|DVD|MMC|SD)|` +
		`\bsearch\b.* --(?:fs-uuid|file|label)|^Loading Linux \S+ \.\.\.`)
)

// read notes the path that a line names last, if it names one.
func (m *medium) read(text string) {
	if !strings.ContainsAny(text, "(/\"_") && !strings.Contains(text, "oot") && !strings.Contains(text, "Loading") && !strings.Contains(text, "PXE") && !strings.Contains(text, "NBP") {
		return
	}
	n, d := lastOf(networkPath, text), lastOf(diskPath, text)
	switch {
	case n > d:
		*m = network
	case d > n:
		*m = disk
	}
}

func lastOf(path *regexp.Regexp, text string) int {
	all := path.FindAllStringIndex(text, -1)
	if len(all) == 0 {
		return -1
	}
	return all[len(all)-1][0]
}

// blame says what a row means here, as it is about something that the job may have brought.
func (s *Scan) blame(g *sign, text string) (events.Cause, weight) {
	switch g.about {
	case aboutLoader:
		if s.brought.loader {
			return events.CauseFirmware, plain
		}
	case aboutDisk:
		if s.brought.disk {
			return events.CauseImage, plain
		}
	case aboutPath:
		from := s.now.medium
		from.read(text)
		if from == unknown && s.brought.disk {
			from = disk
		}
		switch {
		case from != disk:
		case s.brought.disk || !s.brought.job:
			return events.CauseImage, plain
		default: // the lab's own disk
			return events.CauseLoader, plain
		}
	}
	return g.cause, g.weight
}
