package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/smtp-sync/smtp-sync/bench/world"
)

// target is what the user brings along in place of what a scenario starts.
type target struct {
	source       string // pop3s://user@host:port or imaps://…, for the comparisons
	passwordFile string
	gmail        string // base address of a Gmail double
	product      string // binary to measure
}

// check refuses whatever is not this machine, unless own.
func (t target) check(ctx context.Context, own bool) error {
	var faults []error
	for flag, addr := range map[string]string{"-source": t.source, "-gmail": t.gmail} {
		if addr == "" {
			continue
		}
		if err := world.CheckTarget(ctx, addr, own); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", flag, err))
		}
	}
	if t.source != "" {
		if _, err := t.way(); err != nil {
			faults = append(faults, err)
		}
		if t.passwordFile == "" {
			faults = append(faults, errors.New("-source: give the file with its password as -password-file"))
		}
	}
	return errors.Join(faults...)
}

// way is that of the user's own source.
func (t target) way() (way, error) {
	u, err := url.Parse(t.source)
	if err != nil || u.Scheme != "pop3s" && u.Scheme != "imaps" || u.User.Username() == "" {
		return way{}, errors.New("-source: write pop3s://user@host:port or imaps://user@host:port")
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return way{}, errors.New("-source: write the port as well")
	}
	return way{name: strings.ToUpper(u.Scheme), scheme: u.Scheme, host: u.Hostname(), port: port, user: u.User.Username()}, nil
}
