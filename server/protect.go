package server

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/server/api"
)

// protect sets what browsers must know, on every answer.
func (s *Service) protect(c *fiber.Ctx) error {
	s.headers(c)
	return c.Next()
}

func (s *Service) headers(c *fiber.Ctx) {
	c.Set("Content-Security-Policy", s.policy.text())
	c.Set("X-Content-Type-Options", "nosniff")
	c.Set("Referrer-Policy", "same-origin") // not no-referrer: browsers would send our own forms with "Origin: null" (Fetch s3.2.5)
	c.Set("Cross-Origin-Opener-Policy", "same-origin")
	c.Set("Cross-Origin-Resource-Policy", "same-origin")
	c.Set("X-Frame-Options", "DENY") // for what does not know frame-ancestors
	c.Set("Permissions-Policy", "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()")
	c.Set("Cache-Control", "no-store")
	if s.secure {
		c.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
	}
}

// policy is the Content-Security-Policy: nothing inline, nothing from
// elsewhere. A form may lead to this service, and on to Google, to a mailbox's
// provider, or to Stripe where billing is on: Chromium applies form-action to the
// redirect that answers a form as well.
type policy struct {
	google  Google
	sources string // origins of the providers of mailboxes
	bills   bool

	mu     sync.Mutex
	origin string
	asked  time.Time
}

const policyText = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; manifest-src 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; form-action 'self'"

func (p *policy) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var text strings.Builder
	text.WriteString(policyText)
	for _, more := range []string{p.origin, p.sources} {
		if more != "" {
			text.WriteString(" " + more)
		}
	}
	if p.bills {
		text.WriteString(stripeHosts)
	}
	return text.String()
}

// discover learns the origin of Google's page, once it can be learned. It is
// called before a page with the form that leads there is shown, so that the
// page's policy has it.
func (p *policy) discover(ctx context.Context) {
	p.mu.Lock()
	known := p.origin != "" || time.Since(p.asked) < 10*time.Second
	if !known {
		p.asked = time.Now()
	}
	p.mu.Unlock()
	if known {
		return
	}
	origin, err := p.google.AuthOrigin(ctx)
	if err != nil || strings.ContainsAny(origin, " ;,'\"\r\n") {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.origin = origin
}

// asItIs refuses bodies in a content coding (RFC 9110 s8.4): Fiber would unpack
// them, and to what a small one unpacks has no bound.
func (s *Service) asItIs(c *fiber.Ctx) error {
	for _, coding := range c.Request().Header.PeekAll(fiber.HeaderContentEncoding) {
		if !strings.EqualFold(strings.TrimSpace(string(coding)), "identity") {
			c.Set(fiber.HeaderAcceptEncoding, "identity")
			return api.Fail(fiber.StatusUnsupportedMediaType, "content_encoding", "send the body as it is, without a Content-Encoding")
		}
	}
	return c.Next()
}

// behindProxy lets nobody past the proxy that the operator put in front.
func (s *Service) behindProxy(c *fiber.Ctx) error {
	path := c.Path()
	if s.o.OriginSecret.Empty() || path == "/healthz" || path == "/readyz" {
		return c.Next()
	}
	if !s.o.OriginSecret.Equal(vault.NewSecret(c.Get("X-Origin-Secret"))) {
		return api.Fail(fiber.StatusForbidden, "origin_secret", "come through the proxy in front of this service")
	}
	return c.Next()
}
