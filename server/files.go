package server

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"mime"
	"path"
	"strings"

	"github.com/gofiber/fiber/v2"
)

//go:embed web/assets
var assets embed.FS

// file is one that browsers may keep for ever: its name changes with it.
type file struct {
	name  string // with the hash
	kind  string
	bytes []byte
}

// files are the assets by their plain name.
var files = readFiles()

func readFiles() map[string]file {
	out := map[string]file{}
	entries, err := assets.ReadDir("web/assets")
	if err != nil {
		panic("server: " + err.Error()) // it is in the binary
	}
	for _, e := range entries {
		b, err := assets.ReadFile("web/assets/" + e.Name())
		if err != nil {
			panic("server: " + err.Error())
		}
		sum := sha256.Sum256(b)
		ext := path.Ext(e.Name())
		out[e.Name()] = file{name: strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext, kind: mime.TypeByExtension(ext), bytes: b}
	}
	return out
}

func asset(name string) string { return "/assets/" + files[name].name }

// files serves them.
func (s *Service) files() {
	for _, f := range files {
		s.app.Get("/assets/"+f.name, func(c *fiber.Ctx) error {
			c.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
			c.Set(fiber.HeaderContentType, f.kind)
			return c.Send(f.bytes)
		})
	}
}
