package server

import (
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/smtp-sync/smtp-sync/plugins/gate"
)

// bodyLimit is how large a body may be, but for that of a module.
const bodyLimit = 1 << 20

// room gives a request that uploads a module the room for it, with what a form
// puts around it: nothing else may send so much.
func room(h *fasthttp.RequestHeader) (c fasthttp.RequestConfig) {
	path, _, _ := strings.Cut(string(h.RequestURI()), "?")
	if _, rest, absolute := strings.Cut(path, "://"); absolute { // RFC 9112 s3.2.2
		_, path, _ = strings.Cut(rest, "/")
		path = "/" + path
	}
	if string(h.Method()) == fiber.MethodPost && (path == v1+"/plugins" || path == uploadForm) {
		c.MaxRequestBodySize = gate.MaxModule + 64<<10
	}
	return c
}

// uploadForm is where the page sends a module to.
const uploadForm = "/rules/plugins"
