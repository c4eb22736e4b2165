package config

import (
	"net/netip"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Prefix of every variable.
const Prefix = "SMTPSYNC_"

// Size is a number of octets.
type Size int64

// Config is everything that can be configured. Addresses that may hold a
// password or a token are secrets, so that no log of the configuration leaks.
type Config struct {
	Listen        string `env:"LISTEN" default:"127.0.0.1:8080" check:"listen" doc:"Address of the API and the dashboard."`
	MetricsListen string `env:"METRICS_LISTEN" default:"127.0.0.1:9090" check:"listen-or-off" doc:"Address of the Prometheus metrics; off = none."`
	PrivacyURL    string `env:"PRIVACY_URL" check:"web" doc:"The operator's published privacy policy, linked from every page."`
	TermsURL      string `env:"TERMS_URL" check:"web" doc:"The operator's published terms, linked from every page."`
	PublicURL     string `env:"PUBLIC_URL" default:"http://localhost:8080" check:"base" doc:"What browsers use; the OAuth redirect is this + /auth/google/callback."`

	DatabaseURL      vault.Secret      `env:"DATABASE_URL" default:"sqlite://./data" secret:"yes" check:"database" doc:"A directory (one database per user and one for the system), or postgres://…"`
	DatabaseAdminURL vault.Secret      `env:"DATABASE_ADMIN_URL" secret:"yes" check:"postgres" doc:"Postgres owner role for migrate; the service role must not own tables nor bypass row security."`
	KeystoreURL      vault.Secret      `env:"KEYSTORE_URL" shown:"<data>/keys on SQLite, inside the database on Postgres" secret:"yes" check:"keystore" doc:"Where wrapped user keys and mailbox salts live: a directory (file://…, one node) or a second Postgres. Outside the store's own history a wipe is immediate in every backup of it."`
	KeystoreHistory  time.Duration     `env:"KEYSTORE_HISTORY" shown:"30d on the store's own Postgres server, else 0" max:"3650d" doc:"How long a destroyed key can be brought back where the keys live: history window, snapshots, backups. Receipts of wipes name the day; it changes nothing else."`
	MasterKey        *vault.MasterKeys `env:"MASTER_KEY" shown:"on SQLite made at the first start, mode 0600" secret:"yes" doc:"32 bytes in base64; a comma-separated list, without spaces, has the newest first. Required on Postgres."`

	GoogleClientID           string       `env:"GOOGLE_CLIENT_ID" doc:"OAuth client; required by serve, sync and login, except with a service-account file."`
	GoogleClientSecret       vault.Secret `env:"GOOGLE_CLIENT_SECRET" secret:"yes" doc:"Secret of the OAuth client."`
	GoogleIssuer             string       `env:"GOOGLE_ISSUER" default:"https://accounts.google.com" check:"issuer" doc:"OpenID discovery there gives the authorization, token, revocation and JWKS addresses."`
	GmailAPIURL              string       `env:"GMAIL_API_URL" default:"https://gmail.googleapis.com" check:"https" doc:"Base address of the Gmail API; upload sessions are accepted on this host and Google's own only."`
	GoogleServiceAccountFile string       `env:"GOOGLE_SERVICE_ACCOUNT_FILE" check:"file" doc:"Workspace domain-wide delegation instead of user consent."`
	TLSCAFile                string       `env:"TLS_CA_FILE" check:"file" doc:"Extra PEM roots, for mail servers, Google's addresses and those of mailboxes' providers."`

	SourceAllowCIDRs  []netip.Prefix `env:"SOURCE_ALLOW_CIDRS" doc:"Otherwise forbidden address ranges that a mailbox host may resolve to (a LAN, tests)."`
	SourcePorts       []uint16       `env:"SOURCE_PORTS" default:"110,143,993,995" doc:"Ports that a mailbox may use."`
	SourceConnections int64          `env:"SOURCE_CONNECTIONS_PER_HOST" default:"32" max:"100000" doc:"Connections to one mail server at once; 0 = no limit of its own."`
	SourceLogins      int64          `env:"SOURCE_LOGINS_PER_SECOND" default:"3" max:"100000" doc:"Logins to one mail server a second, after a burst of ten; 0 = no limit. Refusals lower it."`
	Sessions          int64          `env:"SESSIONS" default:"512" min:"1" max:"100000" doc:"Mailboxes looked at at once; each takes a connection or two while it is."`
	OAuthSourcesFile  string         `env:"OAUTH_SOURCES_FILE" check:"file" doc:"OAuth clients for mailboxes that take no password (Microsoft and others), see docs/providers.md."`

	Signup       string   `env:"SIGNUP" shown:"first on SQLite, open on Postgres" check:"signup" doc:"first: the first Google account to sign in owns the installation, then closed; list: only SMTPSYNC_SIGNUP_EMAILS; open: everybody."`
	SignupEmails []string `env:"SIGNUP_EMAILS" check:"bare" doc:"Who may sign up with SMTPSYNC_SIGNUP=list, comma-separated."`

	PollEvery time.Duration `env:"POLL_EVERY" default:"5m" min:"1s" max:"24h" doc:"Default pause between two passes over a mailbox that cannot push."`

	UnitsPerUserMinute    int64 `env:"GMAIL_UNITS_PER_USER_MINUTE" default:"6000" doc:"Gmail quota units per user and minute: the published limit for projects made since May 2026; 0 = no limit."`
	UnitsPerProjectMinute int64 `env:"GMAIL_UNITS_PER_PROJECT_MINUTE" default:"1200000" doc:"Gmail quota units of the whole project per minute; 0 = no limit."`
	UnitsPerProjectDay    int64 `env:"GMAIL_UNITS_PER_PROJECT_DAY" default:"80000000" doc:"Gmail quota units of the whole project per day; 0 = no limit."`
	BytesPerUserDay       Size  `env:"GMAIL_BYTES_PER_USER_DAY" default:"500MB" doc:"Octets imported per user and day; 0 = no limit."`
	ConcurrencyPerUser    int64 `env:"GMAIL_CONCURRENCY_PER_USER" default:"8" max:"1000" doc:"Ceiling of the adaptive parallelism; 0 = none."`
	MemoryForTransfers    Size  `env:"MEMORY_FOR_TRANSFERS" default:"256MB" min:"1MB" zero:"ok" doc:"Transfers wait rather than exceed it; 0 = no limit."`

	AuditRetention time.Duration `env:"AUDIT_RETENTION" default:"90d" min:"1h" doc:"How long audit entries are kept; they are gone within a day more."`
	DrainTimeout   time.Duration `env:"DRAIN_TIMEOUT" default:"15s" max:"1h" doc:"On SIGTERM uploads may go on for this long; what is cut then is completed after the next start."`

	TrustedProxies []netip.Prefix `env:"TRUSTED_PROXIES" doc:"CIDRs whose forwarding headers are believed."`
	OriginSecret   vault.Secret   `env:"ORIGIN_SECRET" secret:"yes" doc:"Header value that the proxy in front must send."`

	StripeSecretKey     vault.Secret      `env:"STRIPE_SECRET_KEY" secret:"yes" doc:"Turns billing on; without it every feature is on."`
	StripeWebhookSecret Secrets           `env:"STRIPE_WEBHOOK_SECRET" secret:"yes" doc:"Signing secret of the Stripe webhook; two during a rotation, comma-separated."`
	StripeAPIURL        string            `env:"STRIPE_API_URL" default:"https://api.stripe.com" check:"https" doc:"Base address of the Stripe API."`
	StripePrices        map[string]string `env:"STRIPE_PRICES" doc:"plus=price_…,pro=price_…"`

	MailjetKey          vault.Secret `env:"MAILJET_KEY" secret:"yes" doc:"Notifications through Mailjet."`
	MailjetSecret       vault.Secret `env:"MAILJET_SECRET" secret:"yes" doc:"Secret of the Mailjet key."`
	MailjetAPIURL       string       `env:"MAILJET_API_URL" default:"https://api.mailjet.com" check:"https" doc:"Base address of the Mailjet API."`
	MailjetEventSecret  vault.Secret `env:"MAILJET_WEBHOOK_SECRET" secret:"yes" check:"path" doc:"Last part of the address that Mailjet posts events to, /webhooks/mailjet/…: 16 characters or more that nobody guesses. Without it bounces are not heard of."`
	SMTPURL             vault.Secret `env:"SMTP_URL" secret:"yes" check:"smtp" doc:"Notifications through an SMTP server of the operator, where Mailjet is not set: smtps://user:password@host:465 or smtp://… (STARTTLS)"`
	NotifyFrom          string       `env:"NOTIFY_FROM" check:"address" shown:"smtp-sync@ and the host of SMTPSYNC_PUBLIC_URL" doc:"Sender address of notifications; Mailjet must know it."`
	NotifyWebhookURL    vault.Secret `env:"NOTIFY_WEBHOOK_URL" secret:"yes" check:"web" doc:"Signed notifications to a URL of the operator."`
	NotifyWebhookSecret vault.Secret `env:"NOTIFY_WEBHOOK_SECRET" secret:"yes" doc:"Signs the notifications to the webhook."`

	Node  string        `env:"NODE" shown:"host name" check:"node" doc:"Name of this node; nodes of an installation share one Postgres and nothing else."`
	Lease time.Duration `env:"LEASE" default:"15s" min:"1s" max:"1h" doc:"How long a silent node keeps its mailboxes."`

	PluginEngine string `env:"PLUGIN_ENGINE" default:"compiler" check:"engine" doc:"compiler or interpreter."`

	LogLevel  string `env:"LOG_LEVEL" default:"info" check:"level" doc:"debug, info, warn or error."`
	LogFormat string `env:"LOG_FORMAT" shown:"text on a terminal, else json" check:"format" doc:"text or json."`
}

// Secrets is a list of secrets, the newest first.
type Secrets []vault.Secret
