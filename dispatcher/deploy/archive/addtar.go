package archive

import (
	"archive/tar"
	"fmt"
	"io"
	"path"
)

// AppendToTar writes the tar src, compressed or not, with the layers behind its entries to dst,
// compressed as src is. What unpacks it takes the later of two entries of one name.
func AppendToTar(dst io.Writer, src io.ReadSeeker, layers ...Layer) error {
	head := make([]byte, 6)
	n, err := io.ReadFull(src, head)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return fmt.Errorf("read the tar: %w", err)
	}
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read the tar again: %w", err)
	}
	packed, err := Writer(Detect(head[:n]), dst)
	if err != nil {
		return fmt.Errorf("compress the tar: %w", err)
	}
	out := tar.NewWriter(packed)
	for _, layer := range append([]Layer{{Root: "", Tar: src}}, layers...) {
		if err := copyTar(out, layer); err != nil {
			return err
		}
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("write the tar: %w", err)
	}
	return packed.Close()
}

// copyTar copies the entries of a layer as they are, below its root.
func copyTar(out *tar.Writer, layer Layer) error {
	in, err := openTar(layer.Tar, forArchives())
	if err != nil {
		return err
	}
	defer in.Close()
	for {
		h, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if layer.Root != "" {
			dir := h.Typeflag == tar.TypeDir
			h.Name = path.Join(clean(layer.Root), clean(h.Name))
			if h.Typeflag == tar.TypeLink {
				h.Linkname = path.Join(clean(layer.Root), clean(h.Linkname))
			}
			if h.Name == "" {
				continue
			}
			if dir {
				h.Name += "/"
			}
		}
		if err := out.WriteHeader(h); err != nil {
			return fmt.Errorf("write the tar: %w", err)
		}
		if _, err := io.Copy(out, in); err != nil {
			return tarError(err)
		}
	}
}

// OneFile returns a tar that holds one file, as a layer.
func OneFile(w io.Writer, name string, content io.Reader, size int64) error {
	out := tar.NewWriter(w)
	h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: size}
	if err := out.WriteHeader(h); err != nil {
		return err
	}
	if _, err := io.Copy(out, content); err != nil {
		return err
	}
	return out.Close()
}
