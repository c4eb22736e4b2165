package main

import (
	"context"
	"fmt"
	"os"

	"github.com/smtp-sync/smtp-sync/bench/hosts"
	"github.com/smtp-sync/smtp-sync/bench/world"
)

// play is what this program does as a child of itself. All but the pipe, which
// is a measured program, live as long as their parent.
func play(ctx context.Context, role string, args []string) error {
	if role == "pipe" && len(args) == 6 {
		return pipe(ctx, pipeArgs{source: args[0], user: args[1], password: args[2], token: args[3], api: args[4], oneRequest: args[5] == "one"})
	}
	ctx = world.UntilParentEnds(ctx)
	switch {
	case role == "double" && len(args) == 0:
		return world.ServeDouble(ctx, os.Stdout)
	case role == "hosts" && len(args) == 0:
		return hosts.Serve(ctx, os.Stdout)
	case role == "delay" && len(args) == 3:
		return world.ServeDelay(ctx, os.Stdout, args[0], args[1], args[2])
	case role == "gmail" && len(args) == 1:
		return gmailAlone(ctx, os.Stdout, args[0])
	case role == "poller" && len(args) == 1:
		return pollAlone(ctx, os.Stdout, args[0])
	case role == "pushpipe" && len(args) == 1:
		return pushPipe(ctx, os.Stdout, args[0])
	case role == "hello" && len(args) == 2:
		return hello(ctx, os.Stdout, args[0], args[1])
	case role == "wait" && len(args) == 1:
		return bareWait(ctx, os.Stdout, args[0])
	}
	return fmt.Errorf("unknown role %s %q", role, args)
}
