package exports

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"strata/dispatcher/pipeline"
)

func TestOneJob(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, job string
		tftp, web bool
	}{
		{"an emulator", "actions: [deploy: {to: tmpfs}, boot: {method: qemu}]", false, false},
		{"a board", "actions: [deploy: {to: tftp}, boot: {method: u-boot}]", true, false},
		{"nbd and an overlay", "actions: [deploy: {to: nbd}, boot: {method: u-boot, transfer_overlay: {}}]", true, true},
		{"second media", "actions: [deploy: {to: sata}]", false, true},
		{"no job", "[", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			scratch := t.TempDir()
			offer, stop, err := OneJob(t.Context(), []byte(tt.job), scratch, Settings{
				TFTP: "127.0.0.1:0", Web: "127.0.0.1:0", Cache: pipeline.Store{Dir: "/c"}, Logger: quiet(), After: time.After})
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
			if (offer.TFTP.Port != 0) != tt.tftp || (offer.Web.Port != 0) != tt.web {
				t.Errorf("offer %+v, want TFTP %t and HTTP %t", offer, tt.tftp, tt.web)
			}
			if offer.Cache.Dir != "/c" {
				t.Errorf("cache %+v", offer.Cache)
			}
			stop()
			if tt.tftp {
				if _, err := os.Stat(filepath.Dir(offer.TFTP.Dir)); !os.IsNotExist(err) {
					t.Errorf("the servers' directory stays: %v", err)
				}
			}
		})
	}
}
