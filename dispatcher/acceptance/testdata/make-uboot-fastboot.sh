#!/bin/sh
# Build a U-Boot for QEMU's arm64 board that offers fastboot over UDP: Debian's own builds have no
# fastboot command. The source is Debian's, with Debian's patches.
#
#   make-uboot-fastboot.sh OUT     writes OUT (u-boot.bin); about a minute on two cores
#
# Wants gcc-aarch64-linux-gnu bison flex libssl-dev bc make patch, and the machine's own apt sources,
# which are read for source packages too, with lists of their own.
set -eu
out=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

mkdir -p state/lists/partial cache/archives/partial
: >state/status
for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
	[ -s "$f" ] || continue
	case $f in
	*.sources) sed 's/^Types:.*/Types: deb-src/' "$f" >>sources.sources; echo >>sources.sources ;;
	*) sed -n 's/^deb /deb-src /p' "$f" >>sources.list ;;
	esac
done
mkdir parts
[ ! -s sources.sources ] || mv sources.sources parts/source.sources
[ ! -s sources.list ] || mv sources.list parts/source.list
apt="-qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=$work/parts -o Dir::State=$work/state
	-o Dir::State::lists=$work/state/lists -o Dir::State::status=$work/state/status -o Dir::Cache=$work/cache
	-o APT::Sandbox::User=$(id -un) -o Acquire::Languages=none"
# shellcheck disable=SC2086 # words, on purpose
apt-get $apt update
# shellcheck disable=SC2086
apt-get $apt source --download-only u-boot

mkdir source
tar -xf u-boot_*.orig.tar.* -C source --strip-components=1
tar -xf u-boot_*.debian.tar.* -C source
cd source
while read -r name rest; do
	case $name in '' | '#'*) continue ;; esac
	patch -sp1 <"debian/patches/$name"
done <debian/patches/series

cat >lab.config <<'C'
CONFIG_UDP_FUNCTION_FASTBOOT=y
CONFIG_FASTBOOT_BUF_ADDR=0x48000000
CONFIG_FASTBOOT_BUF_SIZE=0x08000000
CONFIG_FASTBOOT_FLASH=y
CONFIG_FASTBOOT_FLASH_MMC=y
CONFIG_FASTBOOT_FLASH_MMC_DEV=0
CONFIG_FASTBOOT_CMD_OEM_FORMAT=y
CONFIG_MMC=y
CONFIG_DM_MMC=y
CONFIG_MMC_SDHCI=y
CONFIG_MMC_PCI=y
CONFIG_CMD_MMC=y
CONFIG_CMD_GPT=y
CONFIG_CMD_PART=y
CONFIG_EFI_PARTITION=y
CONFIG_ANDROID_BOOT_IMAGE=y
CONFIG_TOOLS_MKEFICAPSULE=n
CONFIG_DFU=n
C
export CROSS_COMPILE=aarch64-linux-gnu-
{
	make -s qemu_arm64_defconfig
	scripts/kconfig/merge_config.sh -m .config lab.config
	make -s olddefconfig
	make -s -j2 u-boot.bin
} >"$work/build.log" 2>&1 || { tail -30 "$work/build.log" >&2; exit 1; }
mkdir -p "$(dirname "$out")"
cp u-boot.bin "$out.part"
mv "$out.part" "$out"
