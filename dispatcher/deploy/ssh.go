package deploy

import (
	"context"

	"strata/dispatcher/overlay"
	"strata/dispatcher/pipeline"
)

// ssh makes the overlay for a system that runs already, which the boot method copies there.
func ssh(pipeline.Data) pipeline.Action {
	return pipeline.Basic{Title: "scp-overlay", About: "prepare the overlay for a running system",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			prepare := pipeline.Basic{Title: "prepare-scp-overlay", About: "prepare what is copied",
				Fill: func(step *pipeline.Step, _ *pipeline.Session) error {
					return add(step,
						pipeline.Basic{Title: "extract-rootfs", About: "unpack the root file system", Late: pipeline.Infrastructure, Do: nothing},
						extractModules())
				},
				Do: prepareSCP}
			return add(step, overlay.New(), prepare, deviceEnv{})
		},
		Check: func(_ context.Context, s *pipeline.Session) error {
			if !s.TestInfo().HasShell {
				s.Invalid("deploying to ssh needs a test shell in the namespace '%s'", s.Namespace())
			}
			return nil
		}}
}

// nothing is the run of actions that have nothing to do where they stand.
func nothing(context.Context, *pipeline.Session) error { return nil }

// SSHEnv are variables of the shell on a system reached by ssh.
const SSHEnv pipeline.Key[[]pipeline.Pair] = "prepare-scp-overlay/environment/env_dict"

// prepareSCP gives the shell variables that make its output the same wherever it runs.
func prepareSCP(ctx context.Context, s *pipeline.Session) error {
	if err := s.RunChildren(ctx); err != nil {
		return err
	}
	env, _ := pipeline.Get(s, pipeline.TargetEnv)
	all := pipeline.Of(append([]pipeline.Pair(nil), env...)).
		With("LC_ALL", pipeline.Of("C.UTF-8")).With("LANG", pipeline.Of("C"))
	pipeline.Put(s, SSHEnv, all.Pairs())
	pipeline.Put(s, pipeline.TargetEnv, all.Pairs())
	return nil
}
