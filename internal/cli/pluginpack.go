package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
	"github.com/smtp-sync/smtp-sync/plugins/wat"
)

type pluginPackCmd struct {
	Module   string `arg:"" help:"Module that the compiler wrote, or a .wat file." placeholder:"FILE"`
	Manifest string `arg:"" optional:"" help:"Its manifest; default: manifest.json beside the module." placeholder:"MANIFEST"`
	Output   string `short:"o" help:"File to write; default: the module's name with .plugin.wasm at the end." placeholder:"OUT"`
}

// Run writes a module that can be uploaded, or says why it could not.
func (c *pluginPackCmd) Run(a *app) error {
	if c.Manifest == "" {
		c.Manifest = filepath.Join(filepath.Dir(c.Module), "manifest.json")
	}
	if c.Output == "" {
		c.Output = strings.TrimSuffix(c.Module, filepath.Ext(c.Module)) + ".plugin.wasm"
	}
	document, err := readAtMost(c.Manifest, 1<<20)
	if err != nil {
		return usageError{err}
	}
	var short bytes.Buffer
	if err := json.Compact(&short, document); err != nil {
		return fmt.Errorf("%s: is no JSON: %w: mend it there", c.Manifest, err)
	}
	if _, err := manifest.Parse(short.Bytes()); err != nil {
		return refused(c.Manifest, err)
	}
	wasm, err := c.module()
	if err != nil {
		return err
	}
	packed, err := gate.Pack(wasm, short.Bytes())
	if err == nil {
		_, err = gate.Check(packed, plugins.ABI)
	}
	if err != nil {
		return refused(c.Module, err)
	}
	if err := os.WriteFile(c.Output, packed, 0o644); err != nil {
		return usageError{err}
	}
	a.printf("%s: %d octets\n", c.Output, len(packed))
	return nil
}

func (c *pluginPackCmd) module() ([]byte, error) {
	b, err := readAtMost(c.Module, gate.MaxModule)
	if err != nil {
		return nil, usageError{err}
	}
	if filepath.Ext(c.Module) != ".wat" {
		return b, nil
	}
	wasm, err := wat.Assemble(b)
	if err != nil {
		return nil, refused(c.Module, err)
	}
	return wasm, nil
}

// readAtMost reads a file, and one octet more than it may have: whoever looks at
// it then says that it is too large.
func readAtMost(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most+1))
}
