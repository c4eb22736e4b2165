package gmailtest

import (
	"encoding/json"
	"io"
	"net/http"
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
