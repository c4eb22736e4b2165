package config

import (
	"maps"
	"net"
	"slices"
	"strings"
)

// together finds variables that do not go together.
func (c *Config) together() (faults Faults) {
	add := func(wrong bool, key, what, remedy string) {
		if wrong {
			faults = append(faults, Fault{Prefix + key, what, remedy})
		}
	}
	needs := func(key string, set bool, other string, otherSet bool) {
		add(set && !otherSet, other, "is missing, while "+Prefix+key+" is set", "set both or neither")
	}
	needs("STRIPE_SECRET_KEY", !c.StripeSecretKey.Empty(), "STRIPE_WEBHOOK_SECRET", len(c.StripeWebhookSecret) > 0)
	for _, name := range slices.Sorted(maps.Keys(c.StripePrices)) {
		add(name != "plus" && name != "pro", "STRIPE_PRICES", quote(name)+" is no plan", "write plus=price_…,pro=price_…")
	}
	needs("MAILJET_KEY", !c.MailjetKey.Empty(), "MAILJET_SECRET", !c.MailjetSecret.Empty())
	needs("MAILJET_SECRET", !c.MailjetSecret.Empty(), "MAILJET_KEY", !c.MailjetKey.Empty())
	needs("MAILJET_WEBHOOK_SECRET", !c.MailjetEventSecret.Empty(), "MAILJET_KEY", !c.MailjetKey.Empty())
	needs("NOTIFY_WEBHOOK_URL", !c.NotifyWebhookURL.Empty(), "NOTIFY_WEBHOOK_SECRET", !c.NotifyWebhookSecret.Empty())
	needs("GOOGLE_CLIENT_ID", c.GoogleClientID != "", "GOOGLE_CLIENT_SECRET", !c.GoogleClientSecret.Empty())
	needs("GOOGLE_CLIENT_SECRET", !c.GoogleClientSecret.Empty(), "GOOGLE_CLIENT_ID", c.GoogleClientID != "")

	add(c.Signup == "list" && len(c.SignupEmails) == 0, "SIGNUP_EMAILS", "is missing, so that nobody could sign up", "list the addresses")
	// Whoever lists addresses means to keep others out.
	add(c.Signup != "list" && len(c.SignupEmails) > 0, "SIGNUP", "does not look at "+Prefix+"SIGNUP_EMAILS", "write list, or remove the addresses")
	add(c.Postgres() && c.MasterKey == nil, "MASTER_KEY", "is missing, while the database is Postgres", "set 32 bytes in base64: smtp-sync keys generate makes them")
	_, port, _ := net.SplitHostPort(c.Listen)
	add(c.Listen == c.MetricsListen && port != "0", "METRICS_LISTEN", "is the address of "+Prefix+"LISTEN", "choose another port, or off")
	return faults
}

// Postgres reports whether the database is Postgres.
func (c *Config) Postgres() bool {
	return strings.HasPrefix(c.DatabaseURL.RevealString(), "postgres")
}

// Store gives the data directory of the embedded store.
func (c *Config) Store() (dir string, err error) {
	if c.Postgres() {
		return "", Faults{{Prefix + "DATABASE_URL", "Postgres is not supported yet by this release", "use sqlite://…"}}
	}
	return directory(c.DatabaseURL.RevealString()), nil
}

// Require reports what the command needs and this configuration has not.
func (c *Config) Require(command string) error {
	var faults Faults
	missing := func(key string) {
		faults = append(faults, Fault{Prefix + key, "is missing and " + command + " needs it", "set it to that of your OAuth client, see README"})
	}
	if command == "migrate" && c.Postgres() && c.DatabaseAdminURL.Empty() {
		faults = append(faults, Fault{Prefix + "DATABASE_ADMIN_URL", "is missing and migrate needs it", "name the role that owns the tables, which is not that of " + Prefix + "DATABASE_URL"})
	}
	switch command {
	case "serve", "sync", "login":
		if c.GoogleServiceAccountFile != "" && command != "login" {
			break
		}
		if c.GoogleClientID == "" {
			missing("GOOGLE_CLIENT_ID")
		}
		if c.GoogleClientSecret.Empty() {
			missing("GOOGLE_CLIENT_SECRET")
		}
	}
	return faults.err()
}
