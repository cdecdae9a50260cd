package deploy

import (
	"context"

	"strata/dispatcher/pipeline"
)

// uuu brings images to the worker, for NXP's universal update utility, which boots or writes them.
//
// Nothing is written here: the boot method of the same name calls the utility, with the commands of
// the job. An image `boot` must be among the images, because that is what shows whether the device is
// in its download mode.
func uuu(pipeline.Data) pipeline.Action {
	return pipeline.Basic{Title: "uuu-deploy", About: "download images for the universal update utility",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			where, err := place(step, s)
			if err != nil {
				return err
			}
			if err := add(step, testOverlay(s)); err != nil {
				return err
			}
			list, err := pairs(step.Block.Get("images"), "images")
			if err != nil {
				return err
			}
			for _, p := range list {
				if err := step.Add(where.get(p.Key, p.Value)); err != nil {
					return err
				}
				if !p.Value.Get("apply-overlay").True() {
					continue
				}
				// Unlike those of fastboot these images are plain unless the job says otherwise.
				apply := applyImage(p.Key, p.Value.Has("root_partition"))
				if p.Value.Get("sparse").Bool(false) {
					apply = applySparse(p.Key)
				}
				if err := step.Add(apply); err != nil {
					return err
				}
			}
			return nil
		},
		Check: func(_ context.Context, s *pipeline.Session) error {
			if !s.Block().Get("images").Has("boot") {
				s.Invalid("'boot' image is required, only found %s", keysOf(s.Block().Get("images")))
			}
			return nil
		}}
}

// keysOf lists the keys of a mapping as Python prints a list.
func keysOf(d pipeline.Data) string {
	var keys []string
	for _, p := range d.Pairs() {
		keys = append(keys, p.Key)
	}
	return pipeline.ReprList(keys)
}
