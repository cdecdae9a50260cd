#!/bin/sh
# The console of a board whose U-Boot is told to offer fastboot, and whose kernel starts once the file
# $1 is there.
key() { dd bs=1 count=1 status=none; }
printf '\r\nU-Boot 2023.01\r\nHit any key to stop autoboot:  2 '
key >/dev/null
while printf '\r\n=> ' && read -r line; do
	printf '%s\r\n' "$line"
	case $line in
	dhcp) printf 'DHCP client bound to address 10.0.2.15 (4 ms)\r\n' ;;
	'fastboot udp') break ;;
	esac
done
printf 'Using virtio-net#32 device\r\nListening for fastboot command on 10.0.2.15\r\n'
until [ -e "$1" ]; do sleep 0.1; done
printf '## Booting Android Image at 0x48000000 ...\r\nStarting kernel ...\r\n[    0.000000] Linux version 6.1.0\r\n/ # '
exec cat >/dev/null # and no child of this, which would outlive the power
