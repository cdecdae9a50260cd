package usb

import (
	"context"
	"time"

	"strata/dispatcher/pipeline"
)

// wait is an action that waits for devices.
type wait struct {
	name, about string
	class       pipeline.Class
	skip        func(s *pipeline.Session) bool
	queries     func(s *pipeline.Session) ([]Query, error)
	settle      func(s *pipeline.Session) time.Duration // to pause after the device came; nil for none
}

// WaitBoard returns wait-device-boardid: the board with the serial number of the dictionary.
func WaitBoard() pipeline.Action {
	return wait{name: "wait-device-boardid", about: "wait for the board by its USB serial number", class: pipeline.Infrastructure,
		skip: func(s *pipeline.Session) bool {
			first := s.Device.Get("device_info").Items()
			return len(first) > 0 && !first[0].Get("wait_device_board_id").Bool(true)
		},
		queries: func(s *pipeline.Session) ([]Query, error) {
			id := set(s.Device.Get("board_id").Text(), "0000000000")
			if infos := s.Device.Get("device_info").Items(); id == "" && len(infos) > 0 {
				id = set(infos[0].Get("board_id").Text(), "0000000000")
			}
			if id == "" {
				return nil, pipeline.Blamef(pipeline.Configuration, "the device has no 'board_id' to wait for")
			}
			return []Query{{"SUBSYSTEM": "usb", "ID_SERIAL_SHORT": id}}, nil
		}}
}

// WaitSerial returns wait-usb-serial: the serial port of the board.
func WaitSerial() pipeline.Action {
	return wait{name: "wait-usb-serial", about: "wait for the board's serial port", class: pipeline.Infrastructure,
		queries: func(s *pipeline.Session) ([]Query, error) {
			return []Query{{
				"SUBSYSTEM":       "tty",
				"ID_SERIAL_SHORT": set(s.Device.Get("board_id").Text(), "0000000000"),
				"ID_VENDOR_ID":    set(s.Device.Get("usb_vendor_id").Text(), "0000"),
				"ID_MODEL_ID":     set(s.Device.Get("usb_product_id").Text(), "0000"),
				"ID_USB_DRIVER":   s.Device.Get("usb_serial_driver").TextOr("cdc_acm"),
			}}, nil
		},
		settle: func(s *pipeline.Session) time.Duration {
			return time.Duration(s.Device.Get("usb_sleep").Float(0) * float64(time.Second))
		}}
}

// WaitDFU returns wait-dfu-device.
func WaitDFU() pipeline.Action {
	return wait{name: "wait-dfu-device", about: "wait for the board in DFU mode", class: pipeline.Infrastructure,
		queries: boardIDs("board_id", "0000000000")}
}

// WaitQDL returns wait-qdl-device.
func WaitQDL() pipeline.Action {
	return wait{name: "wait-qdl-device", about: "wait for the board in emergency download mode", class: pipeline.Infrastructure,
		queries: boardIDs("board_qdl_id", "00000000")}
}

// boardIDs asks for the USB device with a serial number, vendor and product of the dictionary.
func boardIDs(key, unset string) func(s *pipeline.Session) ([]Query, error) {
	return func(s *pipeline.Session) ([]Query, error) {
		return []Query{{
			"SUBSYSTEM":       "usb",
			"ID_SERIAL_SHORT": set(s.Device.Get(key).Text(), unset),
			"ID_VENDOR_ID":    set(s.Device.Get("usb_vendor_id").Text(), "0000"),
			"ID_MODEL_ID":     set(s.Device.Get("usb_product_id").Text(), "0000"),
		}}, nil
	}
}

// WaitMassStorage returns wait-usb-mass-storage-device: the disk with the dictionary's label.
func WaitMassStorage() pipeline.Action {
	return wait{name: "wait-usb-mass-storage-device", about: "wait for the board's disk", class: pipeline.Infrastructure,
		queries: func(s *pipeline.Session) ([]Query, error) {
			label := s.Device.Get("usb_filesystem_label").Text()
			if label == "" {
				return nil, pipeline.Blamef(pipeline.Configuration, "the device has no 'usb_filesystem_label'")
			}
			return []Query{{"SUBSYSTEM": "block", "ID_FS_LABEL": label}}, nil
		}}
}

// Name returns the action's name.
func (w wait) Name() string { return w.name }

// Description says what the action does.
func (w wait) Description() string { return w.about }

// TimeoutClass blames the lab for a device that does not come.
func (w wait) TimeoutClass() pipeline.Class { return w.class }

// Run waits.
func (w wait) Run(ctx context.Context, s *pipeline.Session) error {
	if w.skip != nil && w.skip(s) {
		s.Log.Debug("%s is switched off for this device", w.name)
		return nil
	}
	queries, err := w.queries(s)
	if err != nil {
		return err
	}
	for _, q := range queries {
		s.Log.Debug("%s", describe("udev device", q))
		d, err := Of(s).Wait(ctx, q)
		if err != nil {
			return err
		}
		s.Log.Debug("found %s %s", d.Path, d.Node)
	}
	if w.settle == nil {
		return nil
	}
	// The node may be there before a program can open it.
	return pipeline.Sleep(ctx, w.settle(s))
}
