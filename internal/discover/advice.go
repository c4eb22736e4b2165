package discover

import known "github.com/smtp-sync/smtp-sync/internal/provider"

// Advice is what a provider wants before it lets a mail program in.
type Advice = known.Advice

// For gives the advice for a mail host and a protocol, the zero Advice where
// nothing is known.
func For(host, protocol string) Advice { return known.For(host, protocol).Advice }

const appPassword = "app-password"
