#!/bin/sh
# Make a kernel and a small root file system that QEMU boots in seconds, for demos and tests.
#
#   get-assets.sh            prints the directory that holds bzImage, initramfs.cpio.gz and accel
#
# Kernel and busybox are Debian packages, fetched by name with apt-get download and unpacked,
# never installed; root is not needed. The result is kept in the user's cache directory, and a
# second call only prints where it is. STRATA_ASSETS names another directory.
#
# What the kernel command line may say besides the kernel's own words:
#   strata.login           a login prompt (root, password strata) instead of a root shell
#   strata.net=dhcp        bring up the first network card
#   strata.hang            never give a prompt
#   strata.run=COMMAND     run one command before the prompt; a comma stands for a blank
set -eu

# Raised when what this script makes changes, so that nobody boots a stale image.
version=1
out=${STRATA_ASSETS:-${XDG_CACHE_HOME:-$HOME/.cache}/strata/assets-$version}
if [ -s "$out/complete" ]; then
	echo "$out"
	exit 0
fi

say() { echo "get-assets: $*" >&2; }
die() {
	say "$*"
	exit 1
}
[ "$(uname -m)" = x86_64 ] || die "only amd64 hosts have assets, this is $(uname -m)"
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
	die "needs Debian's apt-get and dpkg-deb; elsewhere put bzImage, initramfs.cpio.gz, accel and complete into $out"

mkdir -p "$out"
work=$(mktemp -d "$out/making.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# fetch PACKAGE...: download into $work. The machine's own package lists are tried first. A fresh
# image has none, and updating them would need root, so the second try keeps lists of its own.
own_lists=
fetch() {
	if [ -z "$own_lists" ] && (cd "$work" && apt-get -qq download "$@" >apt.log 2>&1); then
		return
	fi
	state=$out/apt
	mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
	: >>"$state/status"
	own_lists="-o Dir::State=$state -o Dir::State::lists=$state/lists -o Dir::State::status=$state/status
		-o Dir::Cache=$state/cache -o APT::Sandbox::User=$(id -un) -o Acquire::Languages=none"
	# shellcheck disable=SC2086 # words, on purpose
	apt-get -qq $own_lists update >"$work/apt.log" 2>&1 || :
	# shellcheck disable=SC2086
	(cd "$work" && apt-get -qq $own_lists download "$@" >>apt.log 2>&1) ||
		{ cat "$work/apt.log" >&2; die "cannot download $*"; }
}

# The cloud kernel is a third of the generic one, and boots four times as fast: it has the virtio
# devices that QEMU offers and little else. The package without a version only names the current one.
say "downloading a kernel and busybox (about 30 MB)"
fetch linux-image-cloud-amd64 busybox-static
image=$(dpkg-deb -f "$work"/linux-image-cloud-amd64_*.deb Depends |
	tr ',' '\n' | sed -n 's/^ *\(linux-image-[^ ]*\).*/\1/p' | head -1)
[ -n "$image" ] || die "linux-image-cloud-amd64 names no kernel package"
rm "$work"/linux-image-cloud-amd64_*.deb
fetch "$image"
mkdir "$work/kernel" "$work/busybox" "$work/root"
dpkg-deb -x "$work/$image"_*.deb "$work/kernel"
dpkg-deb -x "$work"/busybox-static_*.deb "$work/busybox"
busybox=$work/busybox/bin/busybox
[ -x "$busybox" ] || busybox=$work/busybox/usr/bin/busybox
kernel=$(echo "$work"/kernel/boot/vmlinuz-*)
[ -s "$kernel" ] || die "no kernel in $image"

say "making the root file system"
root=$work/root
(cd "$root" && mkdir -p bin dev etc lib/modules mnt proc root run sbin sys tmp usr/bin usr/sbin var/log)
chmod 1777 "$root/tmp"
chmod 700 "$root/root"
cp "$busybox" "$root/bin/busybox"
for name in sh mount mkdir insmod; do ln -s busybox "$root/bin/$name"; done

# Modules in the order in which they must be loaded: each after what it needs. Loading them by
# name saves depmod, here and on the target. One that the kernel has built in has no file.
n=10
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci \
	virtio_blk failover net_failover virtio_net rng-core virtio-rng; do
	file=$(find "$work/kernel" -name "$module.ko" -o -name "$module.ko.xz" | head -1)
	case $file in
	'') continue ;;
	*.xz) "$busybox" xz -dc "$file" >"$root/lib/modules/$n-$module.ko" ;;
	*) cp "$file" "$root/lib/modules/$n-$module.ko" ;;
	esac
	n=$((n + 1))
done

echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
echo 'root:$1$strata$0vT.jgctignzVg7NNKPzs1:19000:0:99999:7:::' >"$root/etc/shadow"
chmod 600 "$root/etc/shadow"
echo "export PS1='/ # '" >"$root/etc/profile"
cat >"$root/etc/os-release" <<-'END'
	ID=strata-demo
	NAME="Strata demo"
	PRETTY_NAME="Strata demo (busybox)"
END
cat >"$root/etc/dhcp" <<-'END'
	#!/bin/sh
	[ "$1" = bound ] || exit 0
	ip addr add "$ip/${mask:-24}" dev "$interface"
	[ -z "$router" ] || ip route add default via "${router%% *}"
	for server in $dns; do echo "nameserver $server"; done >/etc/resolv.conf
END
chmod 755 "$root/etc/dhcp"
cat >"$root/init" <<-'END'
	#!/bin/sh
	export PATH=/usr/sbin:/usr/bin:/sbin:/bin
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount -t devtmpfs devtmpfs /dev
	/bin/busybox --install -s
	exec </dev/console >/dev/console 2>&1
	for module in /lib/modules/*.ko; do insmod "$module" 2>/dev/null; done
	mkdir -p /dev/pts /dev/shm /dev/disk/by-uuid
	mount -t devpts devpts /dev/pts
	mount -t tmpfs tmpfs /dev/shm
	# The name that udev gives to a drive with an ext file system: the UUID in its superblock, the
	# magic number of which stands before it.
	for drive in /dev/vd? /dev/sd?; do
	  [ "$(od -An -tx1 -j1080 -N2 "$drive" 2>/dev/null)" = ' 53 ef' ] || continue
	  uuid=$(od -An -tx1 -j1128 -N16 "$drive" | tr -d ' \n' |
	    sed 's/\(.\{8\}\)\(.\{4\}\)\(.\{4\}\)\(.\{4\}\)/\1-\2-\3-\4-/')
	  ln -s "$drive" "/dev/disk/by-uuid/$uuid"
	done
	hostname strata
	echo '127.0.0.1 localhost strata' >/etc/hosts
	ip link set lo up
	login= net= hang= run=
	for word in $(cat /proc/cmdline); do
	  case $word in
	  strata.login) login=1 ;;
	  strata.net=*) net=${word#*=} ;;
	  strata.hang) hang=1 ;;
	  strata.run=*) run=${word#*=} ;;
	  esac
	done
	if [ "$net" = dhcp ]; then
	  ip link set eth0 up
	  udhcpc -q -n -t 10 -T 1 -i eth0 -s /etc/dhcp
	fi
	[ -z "$run" ] || sh -c "$(echo "$run" | tr , ' ')"
	if [ -n "$hang" ]; then
	  echo 'init: hanging as asked'
	  while :; do sleep 1000; done
	fi
	console=$(sed 's/.* //' /sys/class/tty/console/active)
	if [ -n "$login" ]; then
	  echo "$console::respawn:/sbin/getty -L 115200 $console vt100" >/etc/inittab
	else
	  echo "$console::respawn:-/bin/sh" >/etc/inittab
	fi
	echo '::ctrlaltdel:/sbin/reboot -f' >>/etc/inittab
	export PS1='/ # ' HOME=/
	cd /
	exec /sbin/init
END
chmod 755 "$root/init"
(cd "$root" && find . | LC_ALL=C sort | "$busybox" cpio -o -H newc -R 0:0 2>/dev/null) |
	gzip -9 >"$work/initramfs.cpio.gz"
cp "$kernel" "$work/bzImage"

# A device node proves nothing: QEMU may abort on a register it cannot set, or start and never run
# one instruction. Only a kernel that speaks under KVM is believed; without a root it panics and,
# with panic=-1 and -no-reboot, QEMU ends by itself.
accel=tcg
if [ -w /dev/kvm ] && { [ -d /sys/module/kvm_intel ] || [ -d /sys/module/kvm_amd ]; } &&
	timeout -k 1 10 qemu-system-x86_64 -accel kvm -cpu host -M q35 -m 256 -nodefaults -display none \
		-serial stdio -no-reboot -kernel "$work/bzImage" -append 'console=ttyS0 no_timer_check panic=-1' \
		</dev/null 2>/dev/null | grep -aq 'Linux version'; then
	accel=kvm
fi
echo "$accel" >"$work/accel"

# The marker comes last, so that an interrupted run is begun again, and two at once do no harm.
for name in bzImage initramfs.cpio.gz accel; do mv -f "$work/$name" "$out/$name"; done
echo "$image" >"$work/complete"
mv -f "$work/complete" "$out/complete"
rm -rf "$out/apt"
say "$(cd "$out" && ls -l bzImage initramfs.cpio.gz | awk '{print $9, $5, "bytes"}' | tr '\n' ';') accel $accel"
echo "$out"
