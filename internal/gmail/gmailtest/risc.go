package gmailtest

import (
	"context"
	"crypto/rand"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"
)

// Event is a security event of Cross-Account Protection.
type Event struct {
	Type   string         // after "https://schemas.openid.net/secevent/", such as "risc/event-type/account-disabled"
	Email  string         // whose account it is about
	Extra  map[string]any // reason, state, or another subject
	JTI    string         // "" makes a new one; the same again is a redelivery
	Issuer string         // base address of the double, with the trailing slash that Google's has
}

func (s *Server) riscRoutes() {
	s.mux.HandleFunc("GET /.well-known/risc-configuration", func(w http.ResponseWriter, r *http.Request) {
		b := s.base(r)
		write(w, http.StatusOK, map[string]any{"issuer": b + "/", "jwks_uri": b + "/oauth2/v3/certs",
			"delivery_methods_supported": []string{"https://schemas.openid.net/secevent/risc/delivery-method/push"}})
	})
}

// SignEvent gives a security event token (RFC 8417) as Google signs it: without
// exp.
func (s *Server) SignEvent(e Event) string {
	if e.JTI == "" {
		e.JTI = rand.Text()
	}
	event := map[string]any{}
	if e.Email != "" {
		event["subject"] = map[string]string{"subject_type": "iss-sub", "iss": e.Issuer, "sub": s.Sub(e.Email)}
	}
	maps.Copy(event, e.Extra)
	return s.signingKey().sign(map[string]any{"iss": e.Issuer, "aud": s.o.ClientID, "iat": time.Now().Unix(), "jti": e.JTI,
		"events": map[string]any{"https://schemas.openid.net/secevent/" + e.Type: event}}, "secevent+jwt")
}

// SendEvent signs an event, posts it to a receiver and gives the status of the
// answer: 202 is taken.
func (s *Server) SendEvent(ctx context.Context, c *http.Client, receiver string, e Event) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, receiver, strings.NewReader(s.SignEvent(e)))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/secevent+jwt")
	resp, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	return resp.StatusCode, nil
}
