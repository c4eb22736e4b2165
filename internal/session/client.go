package session

import "strings"

// browsers and systems, in the order in which they are looked for: most of
// them claim to be others as well.
var (
	browsers = []struct{ sign, name string }{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
		{"CriOS/", "Chrome"}, {"Chromium/", "Chromium"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
	}
	systems = []struct{ sign, name string }{
		{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"CrOS", "ChromeOS"}, {"Windows", "Windows"},
		{"Mac OS X", "macOS"}, {"Macintosh", "macOS"}, {"Linux", "Linux"}, {"BSD", "BSD"},
	}
)

// ClientName gives a name by which a person knows a browser of theirs again,
// such as "Firefox on Linux", out of what it says of itself. It is one of a
// small set: nothing of a User-Agent goes into it, and nobody can be told apart
// by it.
func ClientName(userAgent string) string {
	name, on := "A browser", ""
	for _, b := range browsers {
		if strings.Contains(userAgent, b.sign) {
			name = b.name
			break
		}
	}
	for _, s := range systems {
		if strings.Contains(userAgent, s.sign) {
			on = " on " + s.name
			break
		}
	}
	return name + on
}
