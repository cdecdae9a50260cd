package verdict

import "strings"

// words are lines, or parts of them, that devices print very often: where most of the characters of one
// are there and some are missing, the console has lost them.
var words = []string{"Booting Linux on physical CPU", "Linux version ", "Starting kernel ...", "Hit any key to stop autoboot", "Kernel command line: ",
	"PROJECT EXECUTION ", "Running TESTSUITE ", "<LAVA_SIGNAL_TESTCASE ", "<LAVA_SIGNAL_STARTTC ", "<LAVA_SIGNAL_ENDTC ", "<LAVA_SIGNAL_STARTRUN ", "<LAVA_SIGNAL_ENDRUN ",
	"<LAVA_TEST_RUNNER EXIT>", "Trying to boot from ", "Loading Environment from ", "DHCP client bound to address ", "Run /init as init process",
	"Freeing unused kernel ", "Bytes transferred = ", "random: crng init done", "No working controllers found", "starting USB...",
	"U-Boot 20", "U-Boot SPL 20", "any key to stop autoboot", "Loading environment from ", "Welcome to GRUB!", "UEFI Interactive Shell", "Press ESC in ", "Booting kernel from ", "Loading Device Tree to ", "Uncompressing Kernel Image",
	"Reached target ", "systemd[1]: Started ", "systemd[1]: Starting ", "Give root password for maintenance", "Booting Trusted Firmware", "*** Booting Zephyr OS", "Kernel panic - not syncing: ",
	"scanning bus for devices...", "Device 0: unknown device", "No ethernet found."}

// maxWords is how many lines of a console are looked at for that: enough for a boot.
const maxWords = 20000

// misses says whether a line holds one of the words with characters missing.
func misses(text string) bool {
	if len(text) < 9 || len(text) > 400 {
		return false
	}
	// One that is whole may look like another with a few left out.
	if contains(text, words) {
		return false
	}
	for _, w := range words {
		if missesOf(text, w) {
			return true
		}
	}
	return false
}

// missesOf finds w in text with one to a third of its characters left out. The first and the last
// have to be there: without an anchor anything is the rest of something.
func missesOf(text, w string) bool {
	most := len(w) / 3
	for from := 0; from+len(w)-most <= len(text); from++ {
		if text[from] != w[0] {
			continue
		}
		left, at := 0, from
		for i := 0; i < len(w); i++ {
			if at < len(text) && text[at] == w[i] {
				at++
				continue
			}
			if i == 0 || i == len(w)-1 {
				left = most + 1
			}
			if left++; left > most {
				break
			}
		}
		if left > 0 && left <= most {
			return true
		}
	}
	return false
}

// cutShort says whether a line ends with the beginning of what was typed, and not with all of it: the device
// took no more.
func cutShort(text, typed string) bool {
	const least = 6
	if len(typed) <= least || strings.Contains(text, typed) {
		return false
	}
	for n := len(typed) - 1; n >= least; n-- {
		if strings.HasSuffix(text, typed[:n]) {
			return true
		}
	}
	return false
}

// echoLines is how many lines after something was typed may be its echo.
const echoLines = 2

// garbles says whether a line is what was typed with characters missing.
func garbles(text, typed string) bool {
	const least = 12
	return len(typed) >= least && len(text) <= 400 && len(typed) <= 400 && !strings.Contains(text, typed) && missesOf(text, typed)
}
