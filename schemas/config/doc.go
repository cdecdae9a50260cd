// Package config reads the one configuration file of strata.
//
// The file is YAML. A [Config] begins as [Defaults], [Load] puts over it what the file says, and
// flags of the command line go over that; nothing else configures a process. A key that is not
// known is refused with its file and line, so that a typing mistake is not a setting that silently
// has no effect; so is a value of the wrong kind.
//
// Sizes are written as a number of bytes or with a unit (64KiB, 1GiB), lengths of time as Go does
// (10m, 1h30m).
//
//	data: /var/lib/strata
//	listen:
//	  http: 0.0.0.0:443
//	  tls: {certificate: /etc/strata/lab.pem, key: /etc/strata/lab.key}
//	jobs:
//	  worker_loss_limit: 30m
//	  output_limit: 4GiB
//
// [Settings] lists every key with its meaning, for the documentation.
package config
