package exports

import (
	"context"
	"io"
	"net"
	"time"

	"strata/dispatcher/pipeline"
)

// How long a new NBD server may take to answer, and how often it is asked.
const (
	nbdLimit = 10 * time.Second
	nbdEvery = 50 * time.Millisecond
)

// nbdGreeting is what every NBD server says first (doc/proto.md of the NBD project).
const nbdGreeting = "NBDMAGIC"

// AwaitNBD returns once the NBD server that was started for the job answers on a port of this
// machine. One that cannot serve (its port is taken, its file cannot be read) ends without a word to us,
// and the board would wait for it until the job's end.
func AwaitNBD(ctx context.Context, port string) error {
	limited, cancel := context.WithTimeout(ctx, nbdLimit)
	defer cancel()
	for {
		err := greetNBD(limited, net.JoinHostPort("127.0.0.1", port))
		if err == nil {
			return nil
		}
		if pipeline.Sleep(limited, nbdEvery) != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return pipeline.Blamef(pipeline.Infrastructure, "nbd-server does not answer on port %s: %w", port, err)
		}
	}
}

func greetNBD(ctx context.Context, address string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if end, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			return err
		}
	}
	said := make([]byte, len(nbdGreeting))
	if _, err := io.ReadFull(conn, said); err != nil {
		return err
	}
	if string(said) != nbdGreeting {
		return pipeline.Blamef(pipeline.Infrastructure, "another server has the port: it says %q", said)
	}
	return nil
}
