// Package reproduce keeps what a job ran with in one file, and says whether it runs the same again.
//
// A bundle is a tar that begins with [ManifestName]: the job definition, the rendered device, the
// worker's configuration, the log, the trees of the test repositories at the commits that were used, and
// of each artefact its digest, with its bytes where they were asked for. [Write] makes one, [Open]
// unpacks it. What it holds comes from others, so Open takes regular files of known names only, within
// budgets of number and size, and believes no file whose digest is another than the manifest says.
//
// Secrets are not in it: [Redactor] takes them out of all texts, and the manifest says how many.
//
// What a run came to is read from its log ([Read]): where it failed, what the kernel reported, the
// results of the test cases, what was downloaded. [Compare] lists what differs between two of them.
package reproduce
