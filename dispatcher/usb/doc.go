// Package usb waits for devices on the worker's USB ports and finds their nodes.
//
// Boards come and go on USB while a job runs: a board in its boot loader is a disk or a fastboot
// device, and a serial port once its system runs. Dictionaries name them by what udev knows: serial
// number, vendor, product, label of the file system. The package reads sysfs and udev's data base
// (both are plain files) and looks again every half second; it needs no root and no library, and a
// wait ends with the action's timeout.
package usb
