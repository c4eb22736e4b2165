package server

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"mime"
	"path"
	"regexp"
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
		readFile(out, e.Name())
	}
	return out
}

var imported = regexp.MustCompile(`from "\./([\w-]+\.js)"`)

// readFile reads a file after the modules that it imports: their names, which
// it holds, change with what is in them. Modules do not import in a circle.
func readFile(out map[string]file, name string) file {
	if f, done := out[name]; done {
		return f
	}
	b, err := assets.ReadFile("web/assets/" + name)
	if err != nil {
		panic("server: " + err.Error())
	}
	ext := path.Ext(name)
	if ext == ".js" {
		b = imported.ReplaceAllFunc(b, func(m []byte) []byte {
			return []byte(`from "./` + readFile(out, string(imported.FindSubmatch(m)[1])).name + `"`)
		})
	}
	sum := sha256.Sum256(b)
	f := file{name: strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext, kind: mime.TypeByExtension(ext), bytes: b}
	out[name] = f
	return f
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
