// Package multinode lets the jobs of a multinode group talk to each other while they run: they send
// messages, wait for those of others, and meet at a point. It does what LAVA's coordinator does,
// over the bus.
//
// A job's process publishes requests on sync.<group> (package schemas/multinode); the stream SYNC
// keeps them. The service folds them: a group is nothing but what its members asked, in order, so a
// service that starts again knows all that the one before knew, and two of them at once do no harm,
// because a member takes the first answer and both give the same. Answers go to the member's inbox.
// One that is lost is not missed for long: the member publishes its request again under the same
// number, and is answered from the fold.
//
// The service reads LAB beside it. It knows so which jobs are over, and tells those who wait for one
// that it cannot come any more, instead of letting them wait until their time is up; and it knows when
// a whole group is over, and then purges its subject. How long a member waits is the member's
// matter, by its own clock.
//
// # Where it differs from LAVA's coordinator
//
//   - wait-all with a role waits for all members of the role, and looks at nobody else.
//   - wait-all before anybody has sent waits.
//   - A role that nobody has is an error for who asked, and for nobody else.
//   - A group ends when its jobs have ended, not when somebody has counted enough goodbyes.
//   - Nobody polls; an answer comes when there is one.
//
// # The coordinator's own protocol
//
// [Deps.Listen] opens LAVA's TCP protocol (port 3079 there) for dispatchers of LAVA that run jobs of
// the same groups. Such a client has no numbers and asks until it is answered; what it asks is stored
// on sync.<group> too, once. The protocol knows no passwords: whoever reaches the port can speak for
// any job, as with LAVA. It is closed unless configured.
package multinode
