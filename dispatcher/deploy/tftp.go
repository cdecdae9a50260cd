package deploy

import (
	"context"
	"fmt"
	"os"

	"strata/dispatcher/pipeline"
)

// tftp puts what a boot loader fetches below the root of a TFTP server, and an NFS root beside it.
func tftp(pipeline.Data) pipeline.Action {
	return pipeline.Basic{Title: "tftp-deploy", About: "download files and deploy them for TFTP",
		Fill: fillTFTP, Check: validateTFTP,
		Do: func(ctx context.Context, s *pipeline.Session) error {
			if err := s.TFTPReady(); err != nil {
				return err
			}
			if err := s.RunChildren(ctx); err != nil {
				return err
			}
			return checkSizes(s)
		}}
}

func fillTFTP(step *pipeline.Step, s *pipeline.Session) error {
	// The root file system goes there too, though no TFTP server shows it: LAVA's labs have one disk.
	where, err := served(s)
	if err != nil {
		return err
	}
	if err := add(step, testOverlay(s)); err != nil {
		return err
	}
	for _, p := range tftpFiles(step.Block) {
		if err := step.Add(where.get(p.Key, p.Value)); err != nil {
			return err
		}
	}
	return add(step, prepareTFTP(), environment(s))
}

// tftpFiles lists what a block downloads, in the order in which it is done.
func tftpFiles(block pipeline.Data) []pipeline.Pair {
	var files []pipeline.Pair
	for _, key := range []string{"ramdisk", "kernel", "dtb", "nfsrootfs", "modules", "preseed", "tee"} {
		if block.Has(key) {
			files = append(files, pipeline.Pair{Key: key, Value: block.Get(key)})
		}
	}
	for i, item := range block.Get("dtbo").Items() {
		files = append(files, pipeline.Pair{Key: fmt.Sprintf("dtbo%d", i), Value: item})
	}
	return append(files, block.Get("extra_files").Pairs()...)
}

// served makes the place for files that the worker's TFTP server shows, and tells boot methods of it.
func served(s *pipeline.Session) (into, error) {
	dir, err := s.TFTPDir()
	if err != nil {
		return into{}, err
	}
	suffix, err := s.TFTPPath(dir)
	if err != nil {
		return into{}, err
	}
	pipeline.Put(s, pipeline.TFTPSuffix, suffix)
	pipeline.Put(s, pipeline.TFTPDir, dir)
	return into{dir: dir, served: true}, nil
}

func validateTFTP(_ context.Context, s *pipeline.Session) error {
	block := s.Block()
	if block.Has("nfsrootfs") && block.Has("persistent_nfs") {
		s.Invalid("Only one of nfsrootfs or persistent_nfs can be specified")
	}
	if !block.Has("kernel") && !block.Has("ramdisk") && !block.Has("dtb") && !block.Has("extra_files") {
		s.Invalid("tftp deploys nothing: the block has no kernel, ramdisk, dtb or extra_files")
	}
	return nil
}

// defaultTFTPLimit is the largest file that TFTP can count with blocks of its largest size.
const defaultTFTPLimit = 4 << 30

// checkSizes refuses files that the protocol cannot transfer: boards show no reason then.
func checkSizes(s *pipeline.Session) error {
	limit := int64(s.Dispatcher.Get("tftp_size_limit").Int(defaultTFTPLimit))
	for _, key := range []string{"ramdisk", "kernel", "dtb", "tee"} {
		file, ok := pipeline.Get(s, pipeline.Artefact(key))
		// With the overlay it is larger than what was downloaded.
		if ramdisk, rebuilt := pipeline.Get(s, pipeline.RamdiskFile); key == "ramdisk" && rebuilt {
			file = ramdisk
		}
		if !ok {
			continue
		}
		info, err := os.Stat(file)
		if err != nil {
			return pipeline.Blame(pipeline.Infrastructure, err)
		}
		if info.Size() >= limit {
			return pipeline.Blamef(pipeline.Job, "Unable to send '%s' over tftp, file too big (%d > %d)", key, info.Size(), limit)
		}
	}
	return nil
}
