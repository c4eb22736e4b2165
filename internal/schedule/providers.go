package schedule

import (
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/provider"
)

// providerFloor is what the provider is known to want between two logins.
func providerFloor(set Settings) time.Duration {
	return provider.For(set.Host, set.Protocol).Floor
}

// advised is a refused login with what this provider is known to want: it says
// more than what a server says to everybody.
func advised(f *mail.Fault, set Settings) *mail.Fault {
	a := provider.For(set.Host, set.Protocol).Advice
	if f.Class != mail.Login || a.Text == "" || f.Code == "password_required" {
		return f
	}
	better := *f
	better.Help = a.Text
	if a.Link != "" {
		better.Help += " (" + a.Link + ")"
	}
	return &better
}
