package deploy

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"strata/dispatcher/pipeline"
)

// acceptsRemovable accepts `to: usb|sata|sd`: media that a running system writes.
func acceptsRemovable(device, block pipeline.Data) (string, error) {
	media := block.Get("to").Text()
	if !slices.Contains([]string{"usb", "sata", "sd"}, media) {
		return `"to" parameter is not "usb", "sata" or "sd"`, nil
	}
	if !block.Has("device") {
		return `"device" is not in the deployment parameters`, nil
	}
	entry, ok := device.Get("parameters", "media", media).Lookup(block.Get("device").Text())
	if !ok {
		return fmt.Sprintf("the device has no %s medium %q", media, block.Get("device").Text()), nil
	}
	if !entry.Has("uuid") {
		return fmt.Sprintf("the %s medium %q of the device has no \"uuid\"", media, block.Get("device").Text()), nil
	}
	return "", nil
}

// removable writes an image to a medium of the board, by a system that runs on it.
func removable(pipeline.Data) pipeline.Action {
	return pipeline.Basic{Title: "storage-deploy", About: "write an image to a medium of the board", Fill: fillRemovable,
		Check: func(_ context.Context, s *pipeline.Session) error {
			if s.Block().Has("image") == s.Block().Has("images") {
				s.Invalid("storage-deploy needs either 'image' or 'images' with an 'image'")
			} else if s.Block().Has("images") && !s.Block().Get("images").Has("image") {
				s.Invalid("'images' has no 'image', which is what is written")
			}
			return nil
		}}
}

func fillRemovable(step *pipeline.Step, s *pipeline.Session) error {
	where, err := place(step, s)
	if err != nil {
		return err
	}
	if err := add(step, testOverlay(s)); err != nil {
		return err
	}
	switch {
	case step.Block.Has("images"):
		list, err := pairs(step.Block.Get("images"), "images")
		if err != nil {
			return err
		}
		for _, p := range list {
			if err := step.Add(where.get(p.Key, p.Value)); err != nil {
				return err
			}
			if p.Value.Get("apply-overlay").True() {
				if err := step.Add(applyImage(p.Key, p.Value.Has("root_partition"))); err != nil {
					return err
				}
			}
		}
	case step.Block.Has("image"):
		params := step.Block.Get("image")
		if err := step.Add(where.get("image", params)); err != nil {
			return err
		}
		if s.TestInfo().NeedsOverlay {
			if err := step.Add(applyImage("image", params.Has("root_partition"))); err != nil {
				return err
			}
		}
	default:
		return add(step, environment(s)) // which its validation refuses
	}
	write := pipeline.Basic{Title: "dd-image", About: "write the image with the running system", Check: validateDD, Do: runDD}
	return add(step, write, environment(s))
}

// medium returns what the dictionary knows of the block's medium.
func medium(s *pipeline.Session) pipeline.Data {
	return s.Device.Get("parameters", "media", s.Block().Get("to").Text(), s.Block().Get("device").Text())
}

func validateDD(_ context.Context, s *pipeline.Session) error {
	if uuid := medium(s).Get("uuid").Text(); uuid == "" || strings.ContainsAny(uuid, "/ '\"") {
		s.Invalid("the medium %s of the device has no usable 'uuid'", s.Block().Get("device").Text())
	}
	for _, kind := range []string{"download", "writer"} {
		tool := s.Block().Get(kind)
		if tool.IsNull() {
			continue
		}
		if !filepath.IsAbs(tool.Get("tool").Text()) {
			s.Invalid("%s.tool '%s' is not an absolute path", kind, tool.Get("tool").Text())
		}
		if kind == "download" && !strings.Contains(tool.Get("options").Text(), "{DOWNLOAD_URL}") {
			s.Invalid("download.options has no {DOWNLOAD_URL}")
		}
	}
	return nil
}

// runDD types the command and follows it to its end.
func runDD(ctx context.Context, s *pipeline.Session) error {
	c := s.Console()
	if c == nil {
		return pipeline.Blamef(pipeline.Job, "No connection to a running system that could write the image")
	}
	file, ok := pipeline.Get(s, pipeline.Artefact("image"))
	if !ok {
		return pipeline.Blamef(pipeline.Bug, "no file was downloaded for 'image'")
	}
	if err := pipeline.PublicFile(file); err != nil {
		return err
	}
	url, err := s.WebURL(file)
	if err != nil {
		return err
	}
	// By its id and not as /dev/sda: names of disks change from boot to boot, and this one is erased.
	device := "/dev/disk/by-id/" + medium(s).Get("uuid").Text()
	replace := strings.NewReplacer("{DOWNLOAD_URL}", url, "{DEVICE}", device)
	block := s.Block()
	command := strings.TrimSpace("dd of='" + device + "' bs=4M " + block.Get("tool", "flags").Text())
	start, done := block.Get("download", "prompt").Text(), []string{`[0-9]+\+[0-9]+ records out`, `[0-9]+ bytes \(.*\) copied`}
	if writer := block.Get("writer"); writer.True() {
		command = writer.Get("tool").Text() + " " + replace.Replace(writer.Get("options").Text())
		if prompt := writer.Get("prompt").Text(); prompt != "" {
			done = []string{prompt}
		}
	}
	if fetch := block.Get("download"); fetch.True() {
		fetched := fetch.Get("tool").Text() + " " + replace.Replace(fetch.Get("options").Text())
		if strings.Contains(fetched, device) {
			command = fetched // it writes by itself
		} else {
			command = fetched + " | " + command
		}
	}
	if prompts := block.Get("tool", "prompts").Texts(); len(prompts) > 0 {
		done = prompts
	}
	// The tool prints its own messages now; a shell prompt among them would be an accident.
	before := c.Prompts
	if err := s.SendLine(ctx, c, command); err != nil {
		return err
	}
	if start != "" {
		s.SetPrompts(c, []string{start})
		if _, err := s.Wait(ctx, c); err != nil {
			return err
		}
	}
	s.SetPrompts(c, done)
	if _, err := s.Wait(ctx, c); err != nil {
		return err
	}
	// The shell is back only when all is written.
	s.SetPrompts(c, before)
	_, err = s.Wait(ctx, c)
	return err
}
