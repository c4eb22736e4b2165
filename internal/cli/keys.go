package cli

import "github.com/smtp-sync/smtp-sync/internal/vault"

type keysCmd struct {
	Generate keysGenerateCmd `cmd:"" help:"Print a new master key, for SMTPSYNC_MASTER_KEY."`
}

type keysGenerateCmd struct{}

func (keysGenerateCmd) Run(a *app) error {
	a.printf("%s\n", vault.GenerateMaster().RevealString())
	return nil
}
