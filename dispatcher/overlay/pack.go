package overlay

import (
	"os"

	"strata/dispatcher/deploy/archive"
)

// pack writes the overlay as a gzipped tar.
func pack(file string, w *work) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	err = packInto(out, w)
	if closed := out.Close(); err == nil {
		err = closed
	}
	return err
}

func packInto(out *os.File, w *work) error {
	packed, err := archive.Writer(archive.Gzip, out)
	if err != nil {
		return err
	}
	if err := archive.Tar(packed, w.dir, append([]string{w.local()}, w.beside...)...); err != nil {
		return err
	}
	return packed.Close()
}
