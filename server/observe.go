package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// Keys of what travels with a request.
const (
	localRequest = "request"
	localRoute   = "route"
	localUser    = "user"
	localMade    = "made"
)

// observe gives a request its id, turns its error or panic into an answer, and
// writes its line in the log: who (as an opaque id), which operation, how it
// ended. No address, no path and no parameter is in it.
func (s *Service) observe(c *fiber.Ctx) error {
	begun := time.Now()
	request := strings.ToLower(rand.Text()[:16])
	c.Locals(localRequest, request)
	c.Set("X-Request-Id", request)
	err := guarded(c)
	if err != nil {
		if failed := s.fail(c, err); failed != nil {
			return failed
		}
	}
	s.log(c, err, time.Since(begun))
	return nil
}

// panicked is a panic: its type and where it was, and nothing of its value,
// which may be anything.
type panicked struct{ kind, stack string }

func (p panicked) Error() string { return "panic: " + p.kind + " at " + p.stack }

func guarded(c *fiber.Ctx) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked{fmt.Sprintf("%T", v), frames(4)}
		}
	}()
	return c.Next()
}

// frames names the functions that were being called.
func frames(skip int) string {
	pc := make([]uintptr, 12)
	n := runtime.Callers(skip, pc)
	each := runtime.CallersFrames(pc[:n])
	var out []string
	for {
		f, more := each.Next()
		if !strings.HasPrefix(f.Function, "runtime.") {
			out = append(out, fmt.Sprintf("%s:%d", f.Function[strings.LastIndexByte(f.Function, '/')+1:], f.Line))
		}
		if !more {
			return strings.Join(out, " < ")
		}
	}
}

func (s *Service) log(c *fiber.Ctx, err error, took time.Duration) {
	status := c.Response().StatusCode()
	level := slog.LevelInfo
	switch {
	case status >= 500:
		level = slog.LevelError
	case status < 400 && (c.Method() == fiber.MethodGet || c.Method() == fiber.MethodHead):
		level = slog.LevelDebug // thousands a second
	}
	if !s.o.Log.Enabled(context.Background(), level) {
		return
	}
	attrs := []slog.Attr{slog.Any("ref", c.Locals(localRequest)), slog.Int("status", status), slog.Int64("dur_ms", took.Milliseconds())}
	if r, ok := c.Locals(localRoute).(*route); ok {
		attrs = append(attrs, slog.String("code", r.id))
	}
	if u, ok := c.Locals(localUser).(id.User); ok && u != (id.User{}) {
		attrs = append(attrs, slog.String("user", u.String()))
	}
	if err != nil {
		if status < 500 {
			err = errors.New(problem(err).Code)
		}
		attrs = append(attrs, slog.Any("err", err))
	}
	s.o.Log.LogAttrs(context.Background(), level, "request answered", attrs...)
}
