package kit

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// System makes the process's actor system. log gets what the library has to
// say, without a value in it.
func System(log *slog.Logger) *actor.ActorSystem {
	return actor.NewActorSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
			return slog.New(typesOnly{log.Handler()})
		}),
		actor.WithDeadLetterRequestLogging(false),
		actor.WithDeadLetterThrottleInterval(throttle),
	)
}

// throttle is how long the library counts dead letters on a goroutine of its
// own, which nothing but time ends.
const throttle = time.Millisecond

// Settle waits for that goroutine, after the last message has been sent.
func Settle() { time.Sleep(2 * throttle) }

// typesOnly passes the text of a record (a constant of the library) and the
// type of the message it is about.
type typesOnly struct{ next slog.Handler }

func (h typesOnly) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && h.next.Enabled(ctx, l)
}

func (h typesOnly) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, r.Message, 0)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "message" {
			clean.AddAttrs(slog.String("status", fmt.Sprintf("%T", a.Value.Any())))
		}
		return true
	})
	return h.next.Handle(ctx, clean)
}

func (h typesOnly) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h typesOnly) WithGroup(string) slog.Handler      { return h }
