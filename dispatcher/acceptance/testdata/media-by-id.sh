#!/bin/sh
# The names that udev gives to disks by their serial number. A disk on USB takes a while to come.
mkdir -p /dev/disk/by-id
for i in $(seq 100); do
	for disk in /sys/block/vd* /sys/block/sd*; do
		node=${disk##*/}
		case $node in
		vd[a-z]) ln -s /dev/$node /dev/disk/by-id/virtio-$(cat $disk/serial) ;;
		sd[a-z]) ln -s /dev/$node /dev/disk/by-id/usb-LAB1 ;; # the only one
		*) continue ;;
		esac
		exit
	done
	usleep 100000
done
