package deploy

import (
	"strata/dispatcher/boot"
	"strata/dispatcher/pipeline"
)

// plainDownload brings files to the worker and the device to fastboot, for tests that write the
// files themselves.
//
// The device comes first and the files after it, as in LAVA: a device that does not come up is found
// out before gigabytes are fetched for it.
func plainDownload(pipeline.Data) pipeline.Action {
	return pipeline.Basic{Title: "download-deploy", About: "download files for tests that write them",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			where, err := place(step, s)
			if err != nil {
				return err
			}
			switch cycle := powerCycle(s); {
			case s.Device.Get("fastboot_via_uboot").True():
				err = add(step, boot.Connect(), boot.UBootEnterFastboot())
			case cycle != nil:
				err = add(step, cycle...)
			default:
				err = step.Add(boot.EnterFastboot())
			}
			if err != nil {
				return err
			}
			if err := where.images(step); err != nil {
				return err
			}
			return add(step, testOverlay(s))
		}}
}
