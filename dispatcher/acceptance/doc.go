// Package acceptance runs real jobs on real machines.
//
// It has tests only. Each runs a job definition through package dispatcher, as a worker does, on a
// machine that an emulator makes: real kernels, boot loaders, network servers, microcontrollers and
// containers, and what they do wrong. What the log says and which results there are is then compared
// with what a user of the lab must find.
//
// Files are by family: qemu_test.go has kernels that QEMU loads itself, uboot_test.go boot loaders, and
// so on. run_test.go runs a job and asks about it, materials_test.go makes what the machines boot:
//
//	site := serve(t, materials(t, "kernel-arm64", "initramfs-arm64"))
//	got := run(t, job{
//		definition: text(t, "testdata/arm64-job.yaml"),
//		device:     text(t, "testdata/arm64-device.yaml"),
//		values:     map[string]string{"SITE": site},
//	})
//	got.wantComplete(t)
//	got.wantResults(t, map[string]string{"0_smoke/uname": "pass"})
//	got.wantText(t, "Linux version ")
//
// Everything that is downloaded or built is kept in the user's cache directory. What takes long is
// skipped unless STRATA_TEST_ALL=1, which `make test-all` sets; what the machine lacks is skipped too,
// and where .ci/install has promised it (STRATA_REQUIRE_BOOT), it fails the test. STRATA_SHOW_LOG=1
// prints the log of each job.
package acceptance
