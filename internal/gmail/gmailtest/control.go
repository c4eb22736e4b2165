package gmailtest

import (
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// controlRoutes let another process see the truth and make trouble:
//
//	GET  /_double/messages?user=u@x  -> [Stored, …]
//	GET  /_double/hashes?user=u@x    -> {"sha256": copies}
//	GET  /_double/stats              -> Stats
//	POST /_double/fault              <- Fault            (DELETE forgets all)
//	POST /_double/quota              <- Quota
//	POST /_double/consent            <- Consent
//	POST /_double/users              <- {"email", "scopes"} -> {"refresh_token", "access_token", "sub"}
//	POST /_double/revoke             <- {"email"}
//	POST /_double/expire             <- {"email"}        access tokens; without email all sessions
//	POST /_double/event              <- {"receiver", Event's} -> {"status", "body"}: signed, posted, answered;
//	                                    without a receiver -> {"token"}; token-revoked names the last token of email
//	POST /_double/rotate             <- {"forget"}       a new signing key, the old ones forgotten or not
func (s *Server) controlRoutes() {
	type person struct {
		Email  string   `json:"email"`
		Scopes []string `json:"scopes"`
	}
	get := func(path string, f func(email string) any) {
		s.mux.HandleFunc("GET /_double/"+path, func(w http.ResponseWriter, r *http.Request) {
			write(w, http.StatusOK, f(r.URL.Query().Get("user")))
		})
	}
	get("messages", func(email string) any { return append([]Stored{}, s.Messages(email)...) })
	get("hashes", func(email string) any { return s.Hashes(email) })
	get("stats", func(string) any { return s.Stats() })
	s.mux.HandleFunc("POST /_double/fault", post(func(f Fault) any { s.Next(f); return nil }))
	s.mux.HandleFunc("DELETE /_double/fault", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	s.mux.HandleFunc("POST /_double/quota", post(func(q Quota) any { s.SetQuota(q); return nil }))
	s.mux.HandleFunc("POST /_double/consent", post(func(c Consent) any { s.SetConsent(c); return nil }))
	s.mux.HandleFunc("POST /_double/users", post(func(p person) any {
		return map[string]string{"refresh_token": s.RefreshToken(p.Email, p.Scopes...), "access_token": s.AccessToken(p.Email, p.Scopes...), "sub": s.Sub(p.Email)}
	}))
	s.mux.HandleFunc("POST /_double/revoke", post(func(p person) any { s.Revoke(p.Email); return nil }))
	s.mux.HandleFunc("POST /_double/expire", post(func(p person) any {
		if p.Email == "" {
			s.ExpireSessions()
		} else {
			s.ExpireAccess(p.Email)
		}
		return nil
	}))
	s.mux.HandleFunc("POST /_double/event", func(w http.ResponseWriter, r *http.Request) {
		post(func(d delivery) any { return s.deliver(r, d) })(w, r)
	})
	s.mux.HandleFunc("POST /_double/rotate", post(func(k struct{ Forget bool }) any { s.RotateKey(k.Forget); return nil }))
}

// delivery is an event and where it goes.
type delivery struct {
	Receiver string `json:"receiver"`
	Event
}

func (s *Server) deliver(r *http.Request, d delivery) any {
	if d.Issuer == "" {
		d.Issuer = s.base(r) + "/"
	}
	if d.Type == "token-revoked" && d.Token == "" {
		d.Token = s.LastRefreshToken(d.Email)
	}
	token := s.SignEvent(d.Event)
	if d.Receiver == "" {
		return map[string]string{"token": token}
	}
	status, body, err := deliver(r.Context(), &http.Client{Timeout: time.Minute}, d.Receiver, token)
	if err != nil {
		body = err.Error()
	}
	return map[string]any{"status": status, "body": body}
}

func post[T any](f func(T) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in T
		b, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err == nil {
			err = json.Unmarshal(b, &in)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if out := f(in); out != nil {
			write(w, http.StatusOK, out)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}
