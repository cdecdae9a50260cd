// Package packages holds the tests of the Debian packages, which the script packaging/build makes.
//
// The quick ones look into packages: what lies where, whose it is, what the units say. The slow ones install
// them on machines: Debian roots with a systemd of their own in namespaces of this machine (see machine_test.go),
// which is all that units, users and upgrades need of a machine. A lab is installed there, runs jobs, is upgraded
// under a running job, is removed, purged and installed again; and a second machine joins it.
package packages
