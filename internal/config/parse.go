package config

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// into parses text into the field behind p by the field's type. For secrets
// only texts that quote nothing of it are used.
func (v variable) into(p any, text string) (w *wrong) {
	switch p := p.(type) {
	case *string:
		if *p = text; slices.Contains(trims, v.tag("check")) {
			*p = strings.TrimRight(text, "/")
		}
		return v.checked(text)
	case *vault.Secret:
		*p = vault.NewSecret(text)
		return v.checked(text)
	case **vault.MasterKeys:
		keys, err := vault.ParseMasterKeys(vault.NewSecret(text))
		*p, w = keys, fromFault(err)
	case *Secrets:
		*p, w = parseSecrets(text)
	case *int64:
		*p, w = parseCount(text)
		if w == nil {
			w = within(v, *p, func(s string) int64 { return must(parseCount(s)) })
		}
	case *Size:
		*p, w = parseSize(text)
		if w == nil {
			w = within(v, *p, func(s string) Size { return must(parseSize(s)) })
		}
	case *time.Duration:
		*p, w = parseDuration(text)
		if w == nil {
			w = within(v, *p, func(s string) time.Duration { return must(parseDuration(s)) })
		}
	case *[]string:
		*p, w = list(text, func(s string) (string, *wrong) { return s, v.checked(s) })
	case *[]uint16:
		*p, w = list(text, parsePort)
	case *[]netip.Prefix:
		*p, w = list(text, parseCIDR)
	case *map[string]string:
		*p, w = parsePrices(text)
	default:
		panic(fmt.Sprintf("config: no parser for %T", p))
	}
	return w
}

// must is for bounds in tags, which a test parses.
func must[T any](v T, w *wrong) T {
	if w != nil {
		panic("config: bad bound in a tag: " + w.what)
	}
	return v
}

func within[T int64 | Size | time.Duration](v variable, got T, parse func(string) T) *wrong {
	if got == 0 && v.tag("zero") != "" {
		return nil
	}
	if least := v.tag("min"); least != "" && got < parse(least) {
		return wrongf("write at least "+least, "is too small")
	}
	if most := v.tag("max"); most != "" && got > parse(most) {
		return wrongf("write at most "+most, "is too large")
	}
	return nil
}

// list parses comma-separated values; blanks around them do not matter.
func list[T any](text string, parse func(string) (T, *wrong)) ([]T, *wrong) {
	var all []T
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			return nil, &wrong{"has an empty item", "separate the items with single commas"}
		}
		one, w := parse(part)
		if w != nil {
			return nil, w
		}
		all = append(all, one)
	}
	return all, nil
}

func parseCount(s string) (int64, *wrong) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0, wrongf("write a whole number such as 6000", "%s is not a number", quote(s))
	}
	return int64(n), nil
}

var sizeUnits = map[string]uint64{
	"": 1, "B": 1,
	"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
	"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40,
}

// parseSize reads 64MB (powers of 1000), 64MiB (powers of 1024) or octets.
func parseSize(s string) (Size, *wrong) {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	n, err := strconv.ParseUint(s[:digits], 10, 63)
	unit, known := sizeUnits[strings.ToUpper(s[digits:])]
	if err != nil || !known {
		return 0, wrongf("write a whole number with a unit, such as 64MB or 64MiB", "%s is not a size", quote(s))
	}
	if n > math.MaxInt64/unit {
		return 0, wrongf("write a smaller size", "%s is too large", quote(s))
	}
	return Size(n * unit), nil
}

// parseDuration reads what time.ParseDuration reads, with days before it: 90d, 1d12h.
func parseDuration(s string) (time.Duration, *wrong) {
	const day = 24 * time.Hour
	bad := wrongf("write a number with a unit, such as 15s, 5m or 90d", "%s is not a duration", quote(s))
	if strings.Trim(s, "0123456789") == "" && s != "0" {
		return 0, wrongf(fmt.Sprintf("write %ss or %sm", s, s), "%s has no unit", quote(s))
	}
	var total time.Duration
	if days, rest, found := strings.Cut(s, "d"); found {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, bad
		}
		if total = time.Duration(n) * day; rest == "" {
			return total, nil
		}
		s = rest
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || total+d < 0 {
		return 0, bad
	}
	return total + d, nil
}

func parsePort(s string) (uint16, *wrong) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, wrongf("write ports from 1 to 65535, separated by commas", "%s is not a port", quote(s))
	}
	return uint16(n), nil
}

func parseCIDR(s string) (netip.Prefix, *wrong) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.Prefix{}, wrongf(fmt.Sprintf("write %s/%d", s, a.BitLen()), "%s is an address, not a range", quote(s))
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, wrongf("write ranges such as 192.168.0.0/16, separated by commas", "%s is not an address range", quote(s))
	}
	if p != p.Masked() {
		return p, wrongf("write "+p.Masked().String(), "%s has bits set behind its prefix", quote(s))
	}
	return p, nil
}

func parsePrices(s string) (map[string]string, *wrong) {
	bad := &wrong{"is not a list of prices", "write plus=price_…,pro=price_…"}
	prices := map[string]string{}
	items, w := list(s, func(s string) (string, *wrong) { return s, nil })
	if w != nil {
		return nil, w
	}
	for _, item := range items {
		plan, price, _ := strings.Cut(item, "=")
		if prices[plan] != "" || plan != "plus" && plan != "pro" || !strings.HasPrefix(price, "price_") {
			return nil, bad
		}
		prices[plan] = price
	}
	return prices, nil
}

// parseSecrets reads one secret or two, the newest first.
func parseSecrets(s string) (Secrets, *wrong) {
	all, w := list(s, func(s string) (vault.Secret, *wrong) { return vault.NewSecret(s), nil })
	if w == nil && len(all) > 2 {
		return nil, wrongf("keep the newest two", "has %d secrets", len(all))
	}
	return all, w
}

// fromFault takes over what the vault says about its own settings.
func fromFault(err error) *wrong {
	if err == nil {
		return nil
	}
	if f, ok := mail.AsFault(err); ok {
		return &wrong{f.Text, f.Help}
	}
	return &wrong{"cannot be read", "see the README"}
}
