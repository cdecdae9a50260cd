// Package events holds the facts of a lab: what happened, told once.
//
// A fact is a Go struct in the past tense ([JobScheduled], [DeviceReleased]). It is about one
// [Entity] and stands on that entity's subject in the stream LAB (or, for results, RESULTS). The
// catalogue is the one table that ties each struct to its name, version, upcasts and the one
// service that may write it; subjects, headers, JSON Schemas and decoding derive from it. Facts
// are never edited, deleted or made optional: a new meaning is a new version with an upcast.
//
// Not facts, and so not here: requests, heartbeats, work orders, log lines, definition texts,
// secrets. Output of jobs is not a fact either, but its frames ([Frame], [Record]) are defined
// here, because the worker writes and several services read them.
//
// The package knows nothing of NATS beyond names of subjects and headers; package stream moves
// facts, package lab folds them.
package events
