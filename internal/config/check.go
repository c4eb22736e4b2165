package config

import (
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// checks are the values of the tag "check". They never quote the text, which
// may be a secret; checked does where it is none.
var checks = map[string]func(string) *wrong{
	"listen":        checkListen,
	"listen-or-off": checkListenOrOff,
	"web":           func(s string) *wrong { return checkURL(s, "http", "https") },
	"base":          checkBase,
	"https":         checkHTTPS,
	"issuer":        checkHTTPS,
	"database":      either("sqlite", checkDir, checkPostgres),
	"keystore":      either("file", checkKeystore, checkPostgres),
	"postgres":      checkPostgres,
	"smtp":          func(s string) *wrong { return checkURL(s, "smtp", "smtps") },
	"file":          checkFile,
	"address":       checkAddress,
	"bare":          checkBare,
	"node":          checkNode,
	"path":          checkPath,
	"signup":        oneOf("first", "list", "open"),
	"engine":        oneOf("compiler", "interpreter"),
	"level":         oneOf("debug", "info", "warn", "error"),
	"format":        oneOf("text", "json"),
}

// trims are the checks of addresses that paths are appended to: a slash at
// their end is meant well. The issuer stays as it is: it is compared.
var trims = []string{"base", "https"}

// checked runs the variable's check and puts the value before what is wrong
// with it, unless it is a secret.
func (v variable) checked(text string) *wrong {
	name := v.tag("check")
	if name == "" {
		return nil
	}
	w := checks[name](text)
	if w != nil && !v.secret() {
		w.what = quote(text) + " " + w.what
	}
	return w
}

// either checks addresses with the scheme in one way and others in another.
func either(scheme string, check, other func(string) *wrong) func(string) *wrong {
	return func(s string) *wrong {
		if strings.HasPrefix(s, scheme+":") {
			return check(s)
		}
		return other(s)
	}
}

func oneOf(words ...string) func(string) *wrong {
	return func(s string) *wrong {
		if slices.Contains(words, s) {
			return nil
		}
		return &wrong{"is not known", "write " + strings.Join(words, " or ")}
	}
}

func checkListen(s string) *wrong {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return &wrong{"is not an address with a port", "write 127.0.0.1:8080, or :8080 for all interfaces"}
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return &wrong{"has no port from 0 to 65535", "write 127.0.0.1:8080"}
	}
	return nil
}

func checkListenOrOff(s string) *wrong {
	if s == "off" {
		return nil
	}
	return checkListen(s)
}

func checkURL(s string, schemes ...string) *wrong {
	u, err := url.Parse(s)
	if err != nil || !slices.Contains(schemes, u.Scheme) || u.Hostname() == "" || u.Opaque != "" {
		return &wrong{"is not a URL of this kind", "write " + strings.Join(schemes, ":// or ") + "://host"}
	}
	return nil
}

// checkBase takes a URL that paths are appended to.
func checkBase(s string) *wrong {
	if w := checkURL(s, "http", "https"); w != nil {
		return w
	}
	if u, _ := url.Parse(s); u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return &wrong{"is more than a base address", "write it without user, query and fragment"}
	}
	return nil
}

// checkHTTPS is for addresses that tokens are sent to: in the clear on this
// machine only.
func checkHTTPS(s string) *wrong {
	if w := checkBase(s); w != nil {
		return w
	}
	u, _ := url.Parse(s)
	if a, err := netip.ParseAddr(u.Hostname()); u.Scheme == "https" || u.Hostname() == "localhost" || err == nil && a.IsLoopback() {
		return nil
	}
	return &wrong{"would carry tokens unencrypted", "write https://"}
}

func checkPostgres(s string) *wrong {
	u, err := url.Parse(s)
	socket := err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") && strings.HasPrefix(u.Query().Get("host"), "/")
	if !socket && checkURL(s, "postgres", "postgresql") != nil {
		return &wrong{"is neither a directory nor a Postgres database", "write sqlite://./data (keys: file:///path) or postgres://user:password@host/name"}
	}
	return nil
}

// checkDir takes sqlite:// with a directory behind it.
func checkDir(s string) *wrong {
	if directory(s) == "" || strings.ContainsAny(s, "?#") {
		return &wrong{"names no directory", "write sqlite://./data or sqlite:///var/lib/smtp-sync"}
	}
	return nil
}

func checkKeystore(s string) *wrong {
	_, err := vault.DirURL(s)
	return fromFault(err)
}

// directory gives what stands behind sqlite://: relative to the working
// directory without a third slash. Percent signs are meant as they are.
func directory(s string) string {
	_, dir, found := strings.Cut(s, "://")
	if !found || dir == "" {
		return ""
	}
	return filepath.Clean(dir)
}

func checkFile(s string) *wrong {
	f, err := os.Open(s)
	if err != nil {
		return &wrong{"does not open", "name a file that this user can read"}
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return &wrong{"is not a file", "name a file that this user can read"}
	}
	return nil
}

func checkAddress(s string) *wrong {
	if _, err := mail.ParseAddress(s); err != nil {
		return &wrong{"is not an e-mail address", "write name@example.com"}
	}
	return nil
}

// checkBare takes an address without a name beside it.
func checkBare(s string) *wrong {
	if a, err := mail.ParseAddress(s); err != nil || a.Address != s {
		return &wrong{"is not an e-mail address", "write name@example.com"}
	}
	return nil
}

// checkPath takes a secret that is part of an address.
func checkPath(s string) *wrong {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	if len(s) < 16 || len(s) > 128 || strings.Trim(s, allowed) != "" {
		return &wrong{"is not fit for an address", "write 16 to 128 letters, digits, dashes and underscores"}
	}
	return nil
}

func checkNode(s string) *wrong {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
	if len(s) > 64 || strings.Trim(s, allowed) != "" || s == "" {
		return &wrong{"is not a node name", "write at most 64 letters, digits, dots, dashes and underscores"}
	}
	return nil
}
