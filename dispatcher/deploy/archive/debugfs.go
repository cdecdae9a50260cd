package archive

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Injection is what unpacks tars into an ext2, ext3 or ext4 file system by debugfs(8), of e2fsprogs.
// Whatever stands in the image under the name of a file is replaced; directories stay as they are.
//
// debugfs is run twice: with the script of Probe, whose output tells which directories the image
// has, and then with that of Script. (Its mkdir of one that is there leaves a damaged file system.)
type Injection struct {
	lines   []string
	content string
	files   int
	made    map[string]bool // directories
}

// directoryLine begins the lines that make a directory, before it is known which are needed.
const directoryLine = "mkdir "

// Inject reads the layers and copies their files below the directory content, from where debugfs
// takes them. debugfs takes a name with a space or a quote only in double quotes and none with a
// newline, so such an entry is an error.
func Inject(content string, layers ...Layer) (*Injection, error) {
	if err := os.MkdirAll(content, 0o755); err != nil {
		return nil, err
	}
	w := &Injection{content: content, made: map[string]bool{"": true}}
	for _, layer := range layers {
		if err := w.layer(layer); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// Probe returns the script that asks which directories there are. It changes nothing.
func (w *Injection) Probe() string {
	var b strings.Builder
	for _, line := range w.lines {
		if name, ok := strings.CutPrefix(line, directoryLine); ok {
			b.WriteString("stat " + name + "\n")
		}
	}
	return b.String()
}

// Script returns the script that writes, given what debugfs printed for Probe.
func (w *Injection) Script(probed string) string {
	missing, asked := map[string]bool{}, ""
	for line := range strings.Lines(probed) {
		if name, ok := strings.CutPrefix(line, "debugfs: stat "); ok {
			asked = strings.TrimSpace(name)
		} else if strings.Contains(line, "File not found") {
			missing[asked] = true
		}
	}
	var b strings.Builder
	for _, line := range w.lines {
		if name, ok := strings.CutPrefix(line, directoryLine); !ok || missing[name] {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

func (w *Injection) say(format string, names ...any) {
	w.lines = append(w.lines, fmt.Sprintf(format, names...))
}

// layer adds the entries of one tar.
func (w *Injection) layer(layer Layer) error {
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
		name := path.Join(clean(layer.Root), clean(h.Name))
		if name == "" {
			continue
		}
		if strings.ContainsAny(name+h.Linkname, "\"\n\r") {
			return fmt.Errorf("%w: the name %q cannot be written into an image", ErrFormat, name)
		}
		w.parents(name)
		if err := w.entry(in, h, name, clean(layer.Root)); err != nil {
			return err
		}
	}
}

// entry adds one file, directory, link or node.
func (w *Injection) entry(in io.Reader, h *tar.Header, name, root string) error {
	quoted := `"/` + name + `"`
	mode := uint32(h.Mode) & 0o7777
	switch h.Typeflag {
	case tar.TypeDir:
		w.directory(name)
		return nil
	case tar.TypeReg:
		w.files++
		file := filepath.Join(w.content, strconv.Itoa(w.files))
		if err := copyInto(file, in); err != nil {
			return err
		}
		w.say("rm %s", quoted)
		w.say(`write "%s" %s`, file, quoted)
		mode |= modeRegular
	case tar.TypeSymlink:
		w.say("rm %s", quoted)
		w.say(`symlink %s "%s"`, quoted, h.Linkname)
		return nil
	case tar.TypeLink:
		w.say("rm %s", quoted)
		w.say(`link "/%s" %s`, path.Join(root, clean(h.Linkname)), quoted)
		return nil
	case tar.TypeFifo:
		w.say("rm %s", quoted)
		w.node(name, "p", 0, 0)
		mode |= modeFIFO
	case tar.TypeChar, tar.TypeBlock:
		kind := "c"
		mode |= modeChar
		if h.Typeflag == tar.TypeBlock {
			kind, mode = "b", mode&^modeType|modeBlock
		}
		w.say("rm %s", quoted)
		w.node(name, kind, h.Devmajor, h.Devminor)
	default:
		return nil
	}
	w.say("set_inode_field %s mode 0%o", quoted, mode)
	w.say("set_inode_field %s uid %d", quoted, h.Uid)
	w.say("set_inode_field %s gid %d", quoted, h.Gid)
	return nil
}

// node adds a device node or a pipe; mknod works in the current directory only.
func (w *Injection) node(name, kind string, major, minor int64) {
	w.say(`cd "/%s"`, strings.TrimPrefix(path.Dir("/"+name), "/"))
	if kind == "p" {
		w.say(`mknod "%s" p`, path.Base(name))
	} else {
		w.say(`mknod "%s" %s %d %d`, path.Base(name), kind, major, minor)
	}
	w.say(`cd "/"`)
}

// parents makes the directories above name.
func (w *Injection) parents(name string) {
	var missing []string
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		missing = append(missing, dir)
	}
	slices.Reverse(missing)
	for _, dir := range missing {
		w.directory(dir)
	}
}

// directory makes a directory unless it was made.
func (w *Injection) directory(name string) {
	if w.made[name] {
		return
	}
	w.made[name] = true
	w.say(directoryLine+`"/%s"`, name)
}

func copyInto(file string, in io.Reader) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return tarError(err)
	}
	return nil
}

// DebugFSProblem returns the first complaint in the output of debugfs, "" for none. That a file to
// be replaced is not there is no complaint.
func DebugFSProblem(out string) string {
	last := ""
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if command, ok := strings.CutPrefix(line, "debugfs: "); ok {
			last, _, _ = strings.Cut(command, " ")
			continue
		}
		switch {
		case line == "", strings.HasPrefix(line, "Allocated inode:"), strings.HasPrefix(line, "debugfs 1."):
		case last == "rm" && strings.Contains(line, "File not found"):
		default:
			return line
		}
	}
	return ""
}

// At names a file system that begins within a file, as e2fsprogs want it.
func At(file string, offset int64) string {
	if offset == 0 {
		return file
	}
	return fmt.Sprintf("%s?offset=%d", file, offset)
}
