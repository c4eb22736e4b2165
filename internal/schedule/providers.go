package schedule

import (
	"strings"
	"time"
)

// providers refuse or punish logins that follow each other sooner.
var providers = []struct {
	domain   string // of the mail host
	protocol string // "": both
	floor    time.Duration
}{
	{"web.de", "pop3", 15 * time.Minute},  // the provider's own setting (ISPDB: checkInterval)
	{"gmx.net", "pop3", 15 * time.Minute}, // free accounts: the same company, 12 minutes were seen
	{"gmx.de", "pop3", 15 * time.Minute},
	{"gmx.at", "pop3", 15 * time.Minute},
	{"gmx.ch", "pop3", 15 * time.Minute},
	{"gmx.com", "pop3", 15 * time.Minute},
	{"ovh.net", "pop3", 2 * time.Minute}, // cuts logins that are less than 60 s apart
	{"yandex.com", "", 2 * time.Minute},  // locks accounts with more than 5 logins in a few minutes
	{"yandex.ru", "", 2 * time.Minute},
}

func providerFloor(set Settings) time.Duration {
	for _, p := range providers {
		if (set.Host == p.domain || strings.HasSuffix(set.Host, "."+p.domain)) && (p.protocol == "" || p.protocol == set.Protocol) {
			return p.floor
		}
	}
	return 0
}
