package discover

import "strings"

// Advice is what a provider wants before it lets a mail program in.
type Advice struct {
	Auth string // "app-password", "oauth"; "": an ordinary password
	Text string // for the user; "": nothing special
	Link string // the provider's own page where that is done; "": none that stays
	// Guide names the steps to it, one by one, which the pages have; "": there are
	// none.
	Guide string
}

// For gives the advice for a mail host and a protocol, the zero Advice where
// nothing is known.
func For(host, protocol string) Advice {
	for _, p := range advices {
		if p.protocol != "" && p.protocol != protocol {
			continue
		}
		for _, h := range p.hosts {
			if host == h || strings.HasSuffix(host, "."+h) {
				return p.Advice
			}
		}
	}
	return Advice{}
}

const appPassword = "app-password"

// advices by mail host; the first that fits. They say what the providers' own
// help pages say, and where to click.
var advices = []struct {
	hosts    []string
	protocol string // "": both
	Advice
}{
	{[]string{"imap.gmail.com", "pop.gmail.com", "imap.googlemail.com", "pop.googlemail.com"}, "", Advice{appPassword,
		"This is a Google account. If it is the one that you import into, there is nothing to do: its mail is there already. Another one needs 2-Step Verification and then an app password (myaccount.google.com/apppasswords); for POP3, also switch POP on in Gmail's settings under Forwarding and POP/IMAP.",
		"https://myaccount.google.com/apppasswords", "google"}},
	{[]string{"mail.yahoo.com", "mail.yahoo.co.jp"}, "", Advice{appPassword,
		"Yahoo wants an app password: in your account's Security settings choose \"Generate app password\" and enter that one here, not your own.",
		"https://login.yahoo.com/account/security", "yahoo"}},
	{[]string{"imap.aol.com", "pop.aol.com"}, "", Advice{appPassword,
		"AOL wants an app password: in your account's Security settings choose \"Generate app password\" and enter that one here, not your own.",
		"https://login.aol.com/account/security", "aol"}},
	{[]string{"att.net"}, "", Advice{appPassword,
		"AT&T wants a secure mail key: make one in your AT&T profile under Sign-in info and enter it here in place of the password.", "", "att"}},
	{[]string{"imap.comcast.net", "mail.comcast.net"}, "", Advice{"",
		"Comcast lets mail programs in only after you allow it: in Xfinity webmail, Settings, Security, switch third-party access on. Mailboxes that have moved to Yahoo use imap.mail.yahoo.com.", "", ""}},
	{[]string{"office365.com", "outlook.com"}, "", Advice{"oauth",
		"Microsoft takes no passwords from mail programs any more: connect with Microsoft's own sign-in. Switch POP and IMAP on first: in Outlook's settings under Mail, Forwarding and IMAP; at work the administrator may have to allow it.", "", ""}},
	{[]string{"mail.me.com"}, "", Advice{appPassword,
		"Apple wants an app-specific password: make one at account.apple.com under Sign-In and Security. The user name is the part of your iCloud address before the @, also for a domain of your own. There is no POP3.",
		"https://account.apple.com/", "icloud"}},
	{[]string{"imap.gmx.net", "pop.gmx.net", "imap.gmx.com", "pop.gmx.com"}, "", Advice{"",
		"GMX has to be told first: in the e-mail settings under POP3/IMAP, allow access by other programs; it is switched off again after long disuse. With two-factor sign-in, make an app password there.", "", "gmx"}},
	{[]string{"imap.web.de", "pop3.web.de"}, "", Advice{"",
		"WEB.DE has to be told first: in the e-mail settings under POP3/IMAP, allow access by other programs. The user name is the part before the @. With two-factor sign-in, make an app password. POP3 is asked at most every 15 minutes.", "", "webde"}},
	{[]string{"t-online.de"}, "", Advice{appPassword,
		"Telekom wants a password of its own for mail programs: set the \"password for e-mail programs\" in the Telekom customer centre and enter that one here.", "", "tonline"}},
	{[]string{"fastmail.com", "messagingengine.com"}, "", Advice{appPassword,
		"Fastmail wants an app password: make one in Settings under Privacy & Security, with access to mail (IMAP or POP).",
		"https://app.fastmail.com/settings/security", "fastmail"}},
	{[]string{"zoho.com", "zoho.eu", "zoho.in", "zoho.jp", "zoho.com.au", "zoho.com.cn", "zoho.sa", "zohocloud.ca"}, "", Advice{"",
		"Zoho has to be told first: in Zoho Mail's settings under Mail Accounts, switch IMAP or POP on; some free accounts have neither. With two-factor sign-in, make an app password in the account's Security settings.", "", "zoho"}},
	{[]string{"imap.yandex.com", "imap.yandex.ru", "imap.ya.ru"}, "imap", Advice{appPassword,
		"Yandex has to be told first: in the mail settings under Email clients, allow IMAP, then make an app password in Yandex ID under Security.", "", "yandex"}},
	{[]string{"pop.yandex.com", "pop.yandex.ru", "pop.ya.ru"}, "pop3", Advice{appPassword,
		"Yandex has to be told first: in the mail settings under Email clients, allow POP3, then make an app password in Yandex ID under Security. Yandex keeps mail that is deleted over POP3.", "", "yandex"}},
	{[]string{"mail.ru"}, "", Advice{appPassword,
		"Mail.ru wants a password for external applications: make one in the account's Security settings and enter it here.", "", "mailru"}},
	{[]string{"imap.qq.com", "pop.qq.com", "imap.163.com", "pop.163.com", "imap.126.com", "pop.126.com"}, "", Advice{appPassword,
		"This provider wants an authorization code: switch IMAP or POP3 on in the webmail's settings, which shows the code, and enter it here in place of the password.", "", ""}},
	{[]string{"imap.naver.com", "pop.naver.com"}, "", Advice{"",
		"Naver has to be told first: in the mail settings under POP3/IMAP, switch the protocol on. With two-step sign-in, make an app password.", "", ""}},
	{[]string{"imap.startmail.com"}, "", Advice{appPassword,
		"StartMail has to be told first: switch IMAP on in its settings and make a device password there.", "", ""}},
	{[]string{"runbox.com"}, "", Advice{"",
		"With two-factor authentication, Runbox wants an app password: make one under Account Security.", "", ""}},
	{[]string{"mailbox.org"}, "", Advice{"",
		"With two-factor sign-in, mailbox.org wants an app password: make one in its settings under Security, Application passwords.", "", ""}},
	{[]string{"ovh.net"}, "pop3", Advice{"",
		"OVH cuts POP3 logins that follow each other within a minute; we ask less often.", "", ""}},
}
