// Package access says who may do what on the bus: it makes and reads the tokens of workers and of
// jobs' processes, and knows the subjects that each kind of caller may publish on and listen to.
//
// A token is opaque to who carries it. It is signed with the lab's [Key], the one secret in the
// data directory, so nothing has to be stored or looked up when it comes back. The token says who its
// bearer is ([Principal]); what the bearer may do is not in it, but follows from [Principal.Rights]
// at each connection. So a release can take a right back without new tokens.
//
// The broker asks for rights by auth callout: services/access answers with what this package says.
// Services themselves connect as [ServiceUser] with the key's password and may do everything.
//
// The rights rest on one rule: nobody but the services may use a reply inbox that someone else can
// hear. Every principal has its own inbox prefix, which [Principal.Inbox] names, and its client must be
// told to use it (nats.CustomInboxPrefix); requests fail without.
package access
