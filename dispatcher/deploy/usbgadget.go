package deploy

import (
	"context"
	"strings"

	"strata/dispatcher/pipeline"
)

// acceptsUSBGadget accepts `to: usbg-ms`. The device has exactly two commands for it.
func acceptsUSBGadget(device, block pipeline.Data) (string, error) {
	if refusal, err := to("usbg-ms", "usbg-ms")(device, block); refusal != "" {
		return refusal, err
	}
	method := device.Get("actions", "deploy", "methods", "usbg-ms")
	if len(method.Pairs()) != 2 || !method.Has("enable") || !method.Has("disable") {
		return "", pipeline.Blamef(pipeline.Configuration, "'usbg-ms' of the device's deploy methods must have 'enable' and 'disable', and nothing else")
	}
	return "", nil
}

// usbGadget offers an image to the board as a USB stick, by a gadget of the worker.
//
// The worker needs a USB device port for that, such as some single-board computers have. The gadget is taken away
// before it is set up, because one that an aborted job left would still show the old image, and again
// at the end, so that the next job's board finds no stick that it did not ask for.
func usbGadget(pipeline.Data) pipeline.Action {
	return pipeline.Basic{Title: "usbg-ms", About: "offer an image as a USB mass storage gadget",
		Late: pipeline.Infrastructure, Broken: pipeline.Infrastructure,
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			where, err := place(step, s)
			if err != nil {
				return err
			}
			return add(step, testOverlay(s), where.get("image", step.Block.Get("image")), environment(s))
		},
		Do: func(ctx context.Context, s *pipeline.Session) error {
			if err := s.RunChildren(ctx); err != nil {
				return err
			}
			if err := gadget(ctx, s, "disable"); err != nil && ctx.Err() != nil {
				return err // another failure means that it was off already
			}
			return gadget(ctx, s, "enable")
		},
		Tidy: func(ctx context.Context, s *pipeline.Session) error {
			if !s.Ran() {
				return nil
			}
			return gadget(ctx, s, "disable")
		}}
}

// gadget runs one of the two commands, with {IMAGE} for the file.
func gadget(ctx context.Context, s *pipeline.Session, what string) error {
	file, _ := pipeline.Get(s, pipeline.Artefact("image"))
	command := s.Device.Get("actions", "deploy", "methods", "usbg-ms", what)
	words := command.Texts()
	if command.Kind() != pipeline.List {
		var err error
		if words, err = pipeline.Words(command.Text()); err != nil {
			return pipeline.Blamef(pipeline.Configuration, "usbg-ms command '%s': %w", command.Text(), err)
		}
	}
	argv := make([]string, len(words))
	for i, word := range words {
		argv[i] = strings.ReplaceAll(word, "{IMAGE}", file)
	}
	return s.Command(ctx, argv...)
}
