package server

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
)

// again remembers for a moment where forms led that made or destroyed
// something. A button that is pressed twice sends its form twice, and the
// browser shows the second answer only: it must be the first one's, not that the
// thing is there already, or is no more, with the receipt in an answer that
// nobody sees. The rate of writes bounds it.
type again struct {
	mu      sync.Mutex
	presses map[sum]*press
}

type sum = [sha256.Size]byte

type press struct {
	to    string        // where it led; "": it is being answered
	at    time.Time     // when that was known
	ended chan struct{} // closed when it has been answered
}

// moment is within which the very same form is the same press of a button.
const moment = time.Minute

// same gives what makes a form the same: octet for octet, from the same session.
func (c *call) same() (key sum, ok bool) {
	cookie := c.Cookies(c.s.cookie)
	if cookie == "" || !c.route.page || c.Method() != fiber.MethodPost {
		return key, false
	}
	return sha256.Sum256(parts([]string{cookie, c.OriginalURL(), string(c.Body())})), true
}

// ledTo gives where this form led when it came before, "" if it did not. It
// waits where that is being found out.
func (c *call) ledTo() string {
	key, ok := c.same()
	if !ok {
		return ""
	}
	to, _ := c.s.again.enter(c.ctx, key, false)
	return to
}

// press begins the answer to a form, unless it came before: then it gives where
// it led. What has led nowhere when it is released may be sent again.
func (c *call) press() (to string, release func()) {
	key, ok := c.same()
	if !ok {
		return "", func() {}
	}
	if to, c.pressed = c.s.again.enter(c.ctx, key, true); c.pressed == nil {
		return to, func() {}
	}
	return "", func() { c.s.again.leave(key, c.pressed) }
}

// lead goes to a page of ours, and so will this form when it comes again.
func (c *call) lead(path string) error {
	to := c.s.to(path)
	if c.pressed != nil {
		c.s.again.mu.Lock()
		c.pressed.to, c.pressed.at = to, time.Now()
		c.s.again.mu.Unlock()
	}
	return seeOther(c, to)
}

// enter finds a press, and begins one if there is none and it shall.
func (a *again) enter(ctx context.Context, key sum, begin bool) (to string, begun *press) {
	for {
		a.mu.Lock()
		a.forget()
		p := a.presses[key]
		switch {
		case p == nil && begin:
			if a.presses == nil {
				a.presses = map[sum]*press{}
			}
			begun = &press{ended: make(chan struct{})}
			a.presses[key] = begun
		case p != nil:
			to = p.to
		}
		a.mu.Unlock()
		if p == nil || to != "" {
			return to, begun
		}
		select {
		case <-p.ended:
		case <-ctx.Done():
			return "", nil
		}
	}
}

func (a *again) leave(key sum, p *press) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p.to == "" {
		delete(a.presses, key)
	}
	close(p.ended)
}

// forget is called with mu held.
func (a *again) forget() {
	for k, p := range a.presses {
		if p.to != "" && time.Since(p.at) >= moment {
			delete(a.presses, k)
		}
	}
}
