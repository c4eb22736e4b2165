package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
)

// play is what this program does as a child of itself.
func play(ctx context.Context, role string, args []string) error {
	switch role {
	case "double":
		return double(ctx)
	case "delay":
		if len(args) == 2 {
			return delay(ctx, args[0], args[1])
		}
	case "pipe":
		if len(args) == 5 {
			return pipe(ctx, pipeArgs{source: args[0], user: args[1], token: args[2], api: args[3], oneRequest: args[4] == "one"})
		}
	}
	return errors.New("unknown role " + role)
}

// double serves the Gmail double and says its address, a refresh token and an
// access token.
func double(ctx context.Context) error {
	l, err := gmailtest.Start(gmailtest.Options{}, "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	l.AddUser(gmailUser)
	fmt.Println(l.URL, l.RefreshToken(gmailUser, gmailtest.ScopeInsert), l.AccessToken(gmailUser, gmailtest.ScopeInsert))
	<-ctx.Done()
	return nil
}
