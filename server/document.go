package server

import (
	"reflect"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/openapi"
)

//go:generate go test -run TestTheDocumentIsTheOneInTheRepository -update .

// describe writes the OpenAPI document of the table.
func (s *Service) describe() ([]byte, error) {
	var ops []openapi.Operation
	for _, r := range s.routes {
		ops = append(ops, r.operation())
	}
	return openapi.Document(openapi.Info{
		Title: "smtp-sync", Version: "1", Cookie: "__Host-session", Problem: reflect.TypeFor[api.Problem](),
		Description: "Brings mail from old POP3 and IMAP mailboxes into Gmail. Errors are problem documents (RFC 9457); ids are opaque; times are RFC 3339 in UTC. " +
			"Unknown fields and parameters are refused. What is somebody else's is not found.",
	}, ops)
}

func (s *Service) openapi(c *call) error {
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Send(s.document)
}
