package cli

import (
	"runtime"
	"runtime/debug"
)

type versionCmd struct{}

func (versionCmd) Run(a *app) error {
	version, commit := build()
	a.printf("smtp-sync %s (commit %s, %s)\n", version, commit, runtime.Version())
	return nil
}

// build gives what the go command wrote into the binary.
func build() (version, commit string) {
	version, commit = "development", "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, commit
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		version = v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			commit = s.Value
		}
	}
	return version, commit
}
