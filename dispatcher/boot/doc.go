// Package boot brings a device to where a test can use it: it makes the connection, resets the
// device or starts an emulator, watches the kernel's messages, logs in and exports the job's
// environment.
//
// A method is one file and one row of the table in methods.go. Methods are built of shared actions
// (connect-device, reset-device, auto-login-action, expect-shell-connection, overlay-unpack,
// export-device-env), whose order at the end of nearly every method stands in tail.go.
package boot
