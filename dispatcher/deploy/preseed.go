package deploy

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/pipeline"
)

// configurePreseed returns configure-preseed-file: what an unattended installation does at its end
// brings the overlay into the installed system.
func configurePreseed() pipeline.Action {
	return pipeline.Basic{Title: "configure-preseed-file", About: "let the installer take the overlay along", Late: pipeline.Infrastructure,
		Do: func(_ context.Context, s *pipeline.Session) error {
			file, ok := pipeline.Get(s, pipeline.Artefact("preseed"))
			if !ok || !s.Block().Has("preseed") {
				return nil
			}
			data := s.Block().Get("deployment_data")
			if err := extendPreseed(s, file, data); err != nil {
				return err
			}
			return preseedIntoRamdisk(s, file, data)
		}}
}

// extendPreseed appends the installer's last command.
func extendPreseed(s *pipeline.Session, file string, data pipeline.Data) error {
	var lines string
	switch {
	case data.Get("installer_extra_cmd").True():
		lines = "\n" + data.Get("installer_extra_cmd").Text() + "\n"
	case s.Block().Get("os").Text() == "debian_installer":
		lines = "\nd-i preseed/late_command string cp -r /lava-* /target/\n"
	case s.Block().Get("os").Text() == "centos_installer":
		overlay, ok := pipeline.Get(s, pipeline.OverlayFile)
		if !ok {
			return nil
		}
		url, err := overTFTP(s, overlay)
		if err != nil {
			return err
		}
		lines = "\n%post\ncurl -o /overlay.tar.gz " + url + "\ntar -C / -xzf /overlay.tar.gz\n%end\n"
	default:
		return nil
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	_, err = f.WriteString(lines)
	if err = errors.Join(err, f.Close()); err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "extend the preseed file: %w", err)
	}
	return nil
}

// overTFTP copies a file to where the TFTP server shows it and returns its URL.
func overTFTP(s *pipeline.Session, file string) (string, error) {
	dir, err := s.TFTPDir()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", pipeline.Blame(pipeline.Infrastructure, err)
	}
	copied := filepath.Join(dir, filepath.Base(file))
	if err := os.WriteFile(copied, text, 0o644); err != nil {
		return "", pipeline.Blame(pipeline.Infrastructure, err)
	}
	seen, err := s.TFTPPath(copied)
	if err != nil {
		return "", err
	}
	ip, err := s.DispatcherIP("tftp")
	if err != nil {
		return "", err
	}
	return "tftp://" + ip + "/" + strings.TrimPrefix(seen, "/"), nil
}

// preseedIntoRamdisk puts the file into the ramdisk, for installers that look for it there.
func preseedIntoRamdisk(s *pipeline.Session, file string, data pipeline.Data) error {
	name := data.Get("preseed_to_ramdisk").Text()
	disk, _ := pipeline.Get(s, ramdiskKey)
	if name == "" || disk == nil {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	dir, err := s.Dir()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := archive.OneFile(&b, name, bytes.NewReader(text), int64(len(text))); err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	packed := filepath.Join(dir, "preseed.tar")
	if err := os.WriteFile(packed, b.Bytes(), 0o644); err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	disk.layers = append(disk.layers, layer{"/", packed})
	pipeline.Put(s, pipeline.PreseedLocal, name)
	return nil
}
