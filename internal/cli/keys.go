package cli

import "github.com/smtp-sync/smtp-sync/internal/vault"

type keysCmd struct {
	Generate keysGenerateCmd `cmd:"" help:"Print a new master key, for SMTPSYNC_MASTER_KEY."`
	Rotate   keysRotateCmd   `cmd:"" help:"Wrap every key under the newest master key while the service runs; on SQLite it is made, too."`
}

type keysGenerateCmd struct{}

func (keysGenerateCmd) Run(a *app) error {
	a.printf("%s\n", vault.GenerateMaster().RevealString())
	return nil
}
