package server

import (
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/openapi"
)

func (s *Service) ruleRoutes() []*route {
	const scope = "rules:write" // there is none to read alone
	plugin, rule := v1+"/plugins/{id}", v1+"/rules/{id}"
	ifMatch := []openapi.Param{{Name: "If-Match", In: "header", Doc: "The ETag of what you have read.", Schema: openapi.Schema{Type: "string"}}}
	return []*route{
		{method: "GET", path: v1 + "/plugins", id: "listPlugins", tag: "rules", summary: "What rules can be made of", access: personal, scope: scope, rate: reads,
			params: paging(), answers: []openapi.Answer{answer[api.Plugins](200, "A page: what comes with the program by name, then what you have uploaded.")}, do: plain(s.listPlugins)},
		{method: "POST", path: v1 + "/plugins", id: "uploadPlugin", tag: "rules", summary: "Upload a plugin", access: personal, scope: scope, rate: writes, octets: typeWasm,
			doc:     "A WebAssembly module with a manifest, at most 4 MiB. What the gate refuses is 422, with the place in the module and what to do about it.",
			answers: []openapi.Answer{answer[api.PluginMade](201, "The plugin, and what the gate found in it.", "Location")}, do: plain(s.uploadPlugin), replay: s.replayPlugin},
		{method: "DELETE", path: plugin, id: "deletePlugin", tag: "rules", summary: "Delete an uploaded plugin", access: personal, scope: scope, rate: writes,
			doc:     "One that a rule uses, or that comes with the program, is 409.",
			answers: []openapi.Answer{bare(204, "It is gone.")}, do: plain(s.deletePlugin)},
		{method: "GET", path: plugin + "/module", id: "getModule", tag: "rules", summary: "The module itself", access: personal, scope: scope, rate: reads,
			answers: []openapi.Answer{{Status: 200, Doc: "Its octets.", Types: []string{typeWasm}}}, do: plain(s.getModule)},
		{method: "POST", path: plugin + "/try", id: "tryPlugin", tag: "rules", summary: "Ask a plugin about a header section", access: personal, scope: scope, rate: writes,
			doc:     "Nothing of it is kept.",
			answers: []openapi.Answer{answer[api.Tried](200, "What it said.")}, do: reading(s.tryPlugin)},
		{method: "GET", path: v1 + "/rules", id: "listRules", tag: "rules", summary: "My rules", access: personal, scope: scope, rate: reads,
			params: paging(), answers: []openapi.Answer{answer[api.Rules](200, "A page, in the order in which they are asked.")}, do: plain(s.listRules)},
		{method: "POST", path: v1 + "/rules", id: "createRule", tag: "rules", summary: "Make a rule", access: personal, scope: scope, rate: writes,
			answers: []openapi.Answer{answer[api.Rule](201, "The rule. It holds from the next look at a mailbox on.", "Location", "ETag")}, do: reading(s.createRule), replay: s.replayRule},
		{method: "GET", path: rule, id: "getRule", tag: "rules", summary: "One rule", access: personal, scope: scope, rate: reads,
			answers: []openapi.Answer{answer[api.Rule](200, "The rule.", "ETag")}, do: plain(s.getRule)},
		{method: "PUT", path: rule, id: "replaceRule", tag: "rules", summary: "Change a rule, or its place", access: personal, scope: scope, rate: writes, params: ifMatch,
			answers: []openapi.Answer{answer[api.Rule](200, "The rule as it is now.", "ETag")}, do: reading(s.replaceRule)},
		{method: "POST", path: rule + "/try", id: "tryRule", tag: "rules", summary: "Ask a rule about the newest messages of a mailbox", access: personal, scope: scope, rate: probes,
			doc:     "Their headers are fetched now, shown to the rule as it is, and kept nowhere. Nothing is changed in the mailbox.",
			answers: []openapi.Answer{answer[api.RuleTried](200, "What it said of each, the newest first.")}, do: reading(s.tryRule)},
		{method: "DELETE", path: rule, id: "deleteRule", tag: "rules", summary: "Delete a rule", access: personal, scope: scope, rate: writes, params: ifMatch,
			answers: []openapi.Answer{bare(204, "It is gone.")}, do: plain(s.deleteRule)},
	}
}
