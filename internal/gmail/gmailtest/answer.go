package gmailtest

import (
	"encoding/json"
	"net/http"
)

// item and envelope are Google's error body, as seen live.
type item struct {
	Message string `json:"message"`
	Domain  string `json:"domain,omitempty"`
	Reason  string `json:"reason"`
}

type envelope struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Errors  []item `json:"errors,omitempty"`
	Status  string `json:"status,omitempty"`
	Details []any  `json:"details,omitempty"`
}

func fail(w http.ResponseWriter, code int, reason, message, status string, details ...any) {
	domain := "global"
	if reason == "rateLimitExceeded" || reason == "userRateLimitExceeded" || reason == "dailyLimitExceeded" {
		domain = "usageLimits"
	}
	write(w, code, map[string]any{"error": envelope{Code: code, Message: message,
		Errors: []item{{Message: message, Domain: domain, Reason: reason}}, Status: status, Details: details}})
}

func write(w http.ResponseWriter, code int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("gmailtest: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(code)
	_, _ = w.Write(b)
}

func unauthorized(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="https://accounts.google.com/", error="invalid_token"`)
	fail(w, http.StatusUnauthorized, "authError", "Invalid Credentials", "UNAUTHENTICATED")
}

func insufficient(w http.ResponseWriter) {
	write(w, http.StatusForbidden, map[string]any{"error": envelope{Code: 403,
		Message: "Request had insufficient authentication scopes.",
		Errors:  []item{{Message: "Insufficient Permission", Domain: "global", Reason: "insufficientPermissions"}},
		Status:  "PERMISSION_DENIED",
		Details: []any{map[string]string{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}}}})
}

func invalid(w http.ResponseWriter, message string) {
	fail(w, http.StatusBadRequest, "invalidArgument", message, "INVALID_ARGUMENT")
}
