// Package protocol is the place of what a job agrees with others while it runs: multinode messages,
// network block devices, vlans and containers. An action asks for it with a `protocols` list in its
// block.
//
// TODO: the protocols come with the Dispatcher issue. Until then a job that names one is refused
// when it is validated.
package protocol
