package acceptance

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/events"
)

// netModules are the drivers of an initramfs that mounts its root over the network.
const netModules = "virtio_pci virtio_net virtio_rng"

// A board's root file system lies on the worker: the archive is unpacked there, the overlay goes into
// it, and the host's NFS server shows it.
func TestNFS(t *testing.T) {
	needNFS(t)
	board := ubootBoards["arm64"]
	_, values := board.values(t)
	nfs := modules{load: netModules + " nfsv3 nfsv4 nfs"}
	site := links(t, map[string]string{
		"kernel-arm64": material(t, "kernel-arm64"), "ramdisk-arm64": initramfs(t, "arm64", nfs), "root-arm64.tar.gz": busyboxRoot(t, "arm64") + "/root.tar.gz",
		"kernel-amd64": material(t, "kernel-amd64"), "ramdisk-amd64": initramfs(t, "amd64", nfs), "root-amd64.tar.gz": busyboxRoot(t, "amd64") + "/root.tar.gz",
	})
	if !dispatchertest.OwnNetwork(t, workerIP) {
		return
	}
	values["SITE"] = serve(t, site)
	_, lines := newLabBoard(t, append(emulated(board.machine...), "-netdev", "user,id=n0")...)
	for k, v := range lines {
		values[k] = v
	}
	uboot := text(t, "testdata/uboot-arm64-device.jinja2") + "{% set extra_kernel_args = 'panic=-1 lab.net=dhcp' %}\n{% set extra_nfsroot_args = ',nfsvers=3' %}\n"
	qemu := text(t, "testdata/nfs-qemu-device.yaml")
	// What jobs unpack must lie below what is exported.
	exported := t.TempDir()
	t.Setenv("TMPDIR", exported)
	t.Run("without a server", func(t *testing.T) {
		values["FAILURE"] = "none"
		got := run(t, nfsJob(t, "testdata/nfs-qemu-job.yaml", qemu, values))
		got.wantError(t, events.InfrastructureError, "no NFS server serves the worker's directories")
	})
	t.Run("of another directory", func(t *testing.T) {
		defer serveNFS(t, filepath.Join(exported, "elsewhere"))()
		values["FAILURE"] = "'init: cannot mount'"
		got := run(t, nfsJob(t, "testdata/nfs-qemu-job.yaml", qemu, values))
		got.wantError(t, events.JobError, "Matched job-specific failure message: 'init: cannot mount'")
		got.wantText(t, "init: cannot mount "+workerIP+":"+exported)
	})
	values["FAILURE"] = "'init: cannot mount'"
	defer serveNFS(t, exported)()
	for _, tt := range []struct {
		name, job, device string
		says              []string
	}{
		{"version 3 by U-Boot", "testdata/nfs-job.yaml", uboot,
			[]string{"TFTP from server " + workerIP, "root=/dev/nfs rw nfsroot=" + workerIP + ":", "/board,tcp,hard,nfsvers=3", "Using prefix: ", "vers=3,"}},
		{"version 4 by QEMU", "testdata/nfs-qemu-job.yaml", qemu, []string{"vers=4.1,"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := run(t, nfsJob(t, tt.job, tt.device, values))
			got.wantComplete(t)
			got.wantResults(t, map[string]string{"0_nfs/root": "pass", "0_nfs/written": "pass", "0_nfs/variables": "pass", "lava/0_nfs": "pass",
				"kernel-messages": "pass", "job": "pass"})
			got.wantText(t, append(tt.says, "Applying overlay to NFS", "BOOTED-FROM "+workerIP+":"+exported)...)
		})
	}
}

func nfsJob(t *testing.T, definition, device string, values map[string]string) job {
	t.Helper()
	return job{definition: text(t, definition), device: device, values: values, context: "{arch: amd64}",
		dispatcher: "dispatcher_ip: " + workerIP + "\n", tftp: ":69", web: ":0"}
}

// needNFS says what an NFS server of this machine's wants.
func needNFS(t *testing.T) {
	t.Helper()
	dispatchertest.Corpus(t, "devices/nfs-server.sh")
	dispatchertest.Need(t, "ganesha.nfsd:nfs-ganesha", "rpcbind:rpcbind", "ip:iproute2", "qemu-system-x86_64:qemu-system-x86")
	if plugs, err := filepath.Glob("/usr/lib/*/ganesha/libfsalvfs.so"); err != nil || len(plugs) == 0 {
		dispatchertest.Missing(t, "no plug-in of the NFS server (Debian: nfs-ganesha-vfs)")
	}
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: an NFS server keeps owners, which wants root")
	}
	// The server names files by handles, which layered and in-memory file systems do not have.
	var fs syscall.Statfs_t
	if err := syscall.Statfs(os.TempDir(), &fs); err != nil {
		t.Fatal(err)
	}
	const overlayfs, tmpfs = 0x794c7630, 0x01021994
	if fs.Type == overlayfs || fs.Type == tmpfs {
		t.Skipf("SKIPPED: %s is on a file system that NFS cannot show: set TMPDIR", os.TempDir())
	}
}

// serveNFS exports a directory by the script of the recorded data until stop is called, under the name
// that it has here. The script enters a network by its name: ours has none, and we are in it already.
func serveNFS(t *testing.T, dir string) (stop func()) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "ip"), []byte("#!/bin/sh\nshift 3 # netns exec NAME\nexec \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	server := exec.Command("sh", filepath.Join(dispatchertest.Corpus(t, "devices"), "devices/nfs-server.sh"), "ours", workerIP, strings.TrimPrefix(dir, "/")+"="+dir)
	server.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH")+":/usr/sbin:/sbin", "TMPDIR=/tmp")
	server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	server.Stderr = os.Stderr
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		_ = syscall.Kill(-server.Process.Pid, syscall.SIGTERM) // it may have ended by itself
		_ = server.Wait()
	}
	t.Cleanup(stop)
	ready := bufio.NewScanner(out)
	if !ready.Scan() || ready.Text() != "nfs ready" {
		t.Fatalf("the NFS server does not start: it says %q", ready.Text())
	}
	return stop
}

// links returns a directory in which files have these names.
func links(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, file := range files {
		if err := os.Symlink(file, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// busyboxRoot returns a directory of the cache with a small root file system as a tree, root/board,
// and packed, root.tar.gz: it says where it was booted from, and gives a shell.
func busyboxRoot(t *testing.T, arch string) string {
	t.Helper()
	// The list of commands must come from a busybox that runs here.
	box, here := material(t, "busybox-"+arch), material(t, "busybox-amd64")
	return cached(t, "root-"+arch, "2 "+box, func(dir string) error {
		return command("sh", "-euc", `
			root=$1/root/board
			mkdir -p $1/root $root
			cd $root
			mkdir bin sbin dev proc sys run tmp etc root mnt
			cp $2/bin/busybox bin/busybox
			for a in $($3/bin/busybox --list); do [ -e bin/$a ] || ln -s busybox bin/$a; done
			printf '::respawn:-/bin/sh\n' >etc/inittab
			echo root:x:0:0:root:/root:/bin/sh >etc/passwd
			cat >sbin/init <<-'E'
				#!/bin/sh
				exec </dev/console >/dev/console 2>&1
				export PATH=/bin:/sbin PS1='/ # ' HOME=/
				echo "BOOTED-FROM $(sed -n 's|^\([^ ]*\) / .*|\1|p' /proc/mounts | tail -1)"
				exec busybox init
			E
			chmod 755 sbin/init
			tar -C $1/root --owner=0 --group=0 -czf $1/root.tar.gz board`, "sh", dir, box, here)
	})
}
