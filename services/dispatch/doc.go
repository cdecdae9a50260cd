// Package dispatch brings jobs to workers and believes, or does not believe, what workers say of them.
//
// It follows LAB. A job that was given a device becomes an order on work.<worker>, with everything
// the worker needs and the lease as its fencing number; a job that is to end becomes an order to
// cancel. It reads REPORTS and turns claims into facts: started is JobStarted, finished JobFinished,
// refused JobReturned. A claim under a lease that is over becomes ReportRefused and an order to let go
// of the board. It watches the bucket presence: a worker is Online once it has told the leases it holds
// and none of them is over, Offline when its key expires. The jobs of a worker that stays away longer than
// a limit are ended here.
//
// # What it promises
//
// Orders are sent at least once, never before the fact that they follow from. They are keyed by job
// and lease, and the worker starts a lease once, so a replay repeats nothing, however late. Reports
// are acknowledged after the facts that they led to are recorded. Two of this service may run at once:
// the expected sequence of each job decides whose fact stands, and a doubled order is harmless.
//
// The cascades of a multinode job (JobCancelCascaded, the timeout of a gang) belong here too. A job
// that ended by the lab's fault is retried by services/submission, which makes jobs out of texts.
//
// decide and judge are pure; what they ask for is done in orders.go.
package dispatch
