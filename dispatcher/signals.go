package dispatcher

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"strata/dispatcher/pipeline"
)

// CanceledText is what users of LAVA know for a job that was asked to end.
const CanceledText = "The job was canceled"

// Signals lets the process's signals end a job: the first of TERM, INT, HUP, QUIT and USR2 cancels
// the context, the second closes again (see [Job.Again]), further ones change nothing. stop gives
// the signals back.
func Signals(parent context.Context) (ctx context.Context, again <-chan struct{}, stop func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR2)
	ctx, cancel := context.WithCancelCause(parent)
	twice, ended, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(left)
		for n := 0; ; n++ {
			select {
			case <-ended:
				return
			case <-signals:
			}
			switch n {
			case 0:
				cancel(pipeline.CanceledBy{Text: CanceledText})
			case 1:
				close(twice)
			}
		}
	}()
	return ctx, twice, func() {
		signal.Stop(signals)
		close(ended)
		<-left
		cancel(nil)
	}
}
