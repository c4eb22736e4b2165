package e2e

// line is a request of the contract, and what is written about its answer.
type line struct {
	who    string // program: with a token; browser: with a session; nobody
	ask    string // method and path; {names} are what lines before have learned
	status int
	kind   string // the answer's content type, in short
	says   string // fields that are in the answer; of a problem, its code and the field it names
	body   string
	head   string // fields of the request, separated by "; "
	learn  string // name=field of the answer, or name=Header
}

const definition = `{"name":"Old","protocol":"pop3","host":"127.0.0.1","port":{port},"security":"tls","username":"ann","password":"{password}",` +
	`"folders":[],"label":"","archive":false,"after_import":"leave","history":"all","poll_every":"1m"}`

const mailboxFields = "id name protocol host port security username folders label archive after_import history created_at state " +
	"imported.messages imported.bytes skipped refused doubtful backlog.messages backlog.bytes"

// Before there is any mail.
var accountLines = []line{
	{"browser", "GET /api/v1/session", 200, "json", "csrf", "", "", "csrf=csrf"},
	{"program", "GET /api/v1/session", 403, "problem", "session_required", "", "", ""},
	{"program", "GET /api/v1/me", 200, "json", "id email created_at grant.status grant.scopes grant.granted_at plan", "", "", ""},
	{"browser", "GET /api/v1/me", 200, "json", "id email", "", "", ""},
	{"program", "PATCH /api/v1/me", 200, "json", "id locale time_zone", `{"locale":"de","time_zone":"Europe/Vienna","notices":{"digest":false}}`, "", ""},
	{"browser", "PATCH /api/v1/me", 200, "json", "id", `{"locale":"en"}`, "X-CSRF-Token: {csrf}", ""},
	{"program", "PATCH /api/v1/me", 422, "problem", "unknown_field email", `{"email":"x@y.example"}`, "", ""},
	{"program", "POST /api/v1/tokens", 201, "json", "id token", `{"name":"n","scopes":["audit:read"],"expires_in":"720h"}`, "Idempotency-Key: t1", "token=id"},
	{"program", "POST /api/v1/tokens", 409, "problem", "token_made", `{"name":"n","scopes":["audit:read"],"expires_in":"720h"}`, "Idempotency-Key: t1", ""},
	{"program", "POST /api/v1/tokens", 422, "problem", "unknown_scope scopes", `{"name":"n","scopes":["admin"]}`, "", ""},
	{"program", "GET /api/v1/tokens?limit=1", 200, "json", "tokens.0.id tokens.0.name tokens.0.scopes next_cursor", "", "", "cursor=next_cursor"},
	{"program", "GET /api/v1/tokens?cursor={cursor}", 200, "json", "tokens.0.id", "", "", ""},
	{"program", "GET /api/v1/sessions?cursor={cursor}", 400, "problem", "bad_cursor", "", "", ""},
	{"program", "GET /api/v1/tokens?limit=501", 400, "problem", "limit_range limit", "", "", ""},
	{"program", "GET /api/v1/sessions", 200, "json", "sessions.0.id sessions.0.device", "", "", "session=sessions.0.id"},
	{"nobody", "GET /api/v1/openapi.json", 200, "json", "openapi paths", "", "", ""},
	{"nobody", "GET /healthz", 200, "text", "", "", "", ""},
	{"nobody", "GET /readyz", 200, "text", "", "", "", ""},
	{"nobody", "POST /webhooks/google/risc", 400, "json", "err description", "x", "Content-Type: application/secevent+jwt", ""},
	{"nobody", "POST /notices/digest/somebody-elses", 404, "problem", "not_found", "", "", ""},
	{"nobody", "GET /auth/google/callback?state=x&code=y", 400, "html", "", "", "", ""},
	{"browser", "GET /auth/source/home/callback?state=x&code=y", 400, "html", "", "", "", ""},
	{"browser", "GET /auth/google/grant?labels=1", 200, "html", "", "", "", ""},
	{"browser", "POST /auth/google/grant?labels=1", 303, "", "", "csrf={csrf}", "Content-Type: application/x-www-form-urlencoded", ""},
	{"browser", "POST /auth/google/grant?csrf={csrf}", 403, "html", "", "x=1", "Content-Type: application/x-www-form-urlencoded", ""},
	{"browser", "POST /auth/google/grant", 403, "html", "", "csrf=x", "Content-Type: application/x-www-form-urlencoded", ""},
}

// From finding a mailbox to its first mail.
var mailboxLines = []line{
	{"program", "GET /api/v1/discover?address=someone@gmx.net", 200, "json", "0.protocol 0.host 0.port 0.security 0.username 0.auth 0.source 0.hint", "", "", ""},
	{"program", "GET /api/v1/discover?address=someone", 422, "problem", "address_invalid address", "", "", ""},
	{"program", "POST /api/v1/mailboxes/test", 200, "json", "ok steps.0.name steps.0.ok steps.0.ms steps.0.code steps.0.detail steps.0.help steps.6.name messages bytes folders", definition, "", ""},
	{"program", "POST /api/v1/mailboxes", 422, "problem", "host_not_public host", `{"name":"Old","protocol":"imap","host":"10.0.0.1","port":{port},"username":"u","password":"p","history":"all"}`, "", ""},
	{"program", "POST /api/v1/mailboxes", 422, "problem", "history_required history", `{"protocol":"imap","host":"imap.example.com","port":{port},"username":"u","password":"p"}`, "", ""},
	{"program", "POST /api/v1/mailboxes", 201, "json", mailboxFields, definition, "Idempotency-Key: m1", "box=id"},
	{"program", "POST /api/v1/mailboxes", 201, "json", mailboxFields, definition, "Idempotency-Key: m1", "etag=ETag"},
	{"program", "POST /api/v1/mailboxes", 422, "problem", "idempotency_mismatch", `{}`, "Idempotency-Key: m1", ""},
	{"program", "POST /api/v1/mailboxes", 409, "problem", "duplicate_mailbox", definition, "", ""},
	{"program", "POST /api/v1/mailboxes/import", 200, "json", "format dry_run mailboxes.0.line mailboxes.0.status mailboxes.0.has_password problems.0.line problems.0.code problems.0.detail problems.0.help",
		`{"text":"poll mail.example proto imap user ann pass x ssl keep\npoll","history":"new","dry_run":true}`, "", ""},
	{"program", "POST /api/v1/mailboxes/import", 422, "problem", "text_required text", `{"text":"","history":"all"}`, "", ""},
	{"program", "GET /api/v1/mailboxes", 200, "json", "mailboxes.0.id mailboxes.0.state", "", "", ""},
	{"browser", "GET /api/v1/mailboxes", 200, "json", "mailboxes.0.id mailboxes.0.state", "", "", ""},
	{"program", "GET /api/v1/mailboxes/{box}", 200, "json", mailboxFields, "", "", "etag=ETag"},
	{"program", "PATCH /api/v1/mailboxes/{box}", 200, "json", mailboxFields, `{"name":"Older","after_import":"leave","poll_every":"5m","history":"all"}`, "If-Match: {etag}", ""},
	{"program", "PATCH /api/v1/mailboxes/{box}", 412, "problem", "changed_meanwhile", `{"name":"Old"}`, "If-Match: {etag}", ""},
	{"program", "PATCH /api/v1/mailboxes/{box}", 422, "problem", "mailbox_identity username", `{"username":"bob"}`, "", ""},
	{"program", "POST /api/v1/mailboxes/{box}/pause", 200, "json", mailboxFields, "", "", ""},
	{"program", "POST /api/v1/mailboxes/{box}/sync", 409, "problem", "mailbox_paused", "", "", ""},
	{"program", "POST /api/v1/mailboxes/{box}/resume", 200, "json", mailboxFields, "", "Idempotency-Key: r1", ""},
	{"program", "POST /api/v1/mailboxes/{box}/resume", 200, "json", mailboxFields, "", "Idempotency-Key: r1", ""},
	{"program", "POST /api/v1/mailboxes/{box}/sync", 202, "json", mailboxFields, "", "", ""},
	{"program", "POST /api/v1/mailboxes/{box}/estimate", 200, "json", "messages bytes days", `{"history":"since","since":"2024-01-31"}`, "", ""},
	{"program", "POST /api/v1/mailboxes/{box}/estimate", 422, "problem", "since_required since", `{"history":"since"}`, "", ""},
	{"program", "GET /api/v1/events", 200, "events", "", "", "", ""},
	{"browser", "GET /api/v1/events", 200, "events", "", "", "Last-Event-ID: 0-1", ""},
	{"program", "GET /api/v1/stats?window=24h", 200, "json", "totals series.0.at", "", "", ""},
	{"program", "GET /api/v1/stats?window=1", 400, "problem", "window_range window", "", "", ""},
}

// Once two messages were refused, one is doubtful and one is in Gmail.
var auditLines = []line{
	{"program", "GET /api/v1/audit?limit=1", 200, "json", "entries.0.id entries.0.at entries.0.mailbox_id entries.0.sender_domain entries.0.status entries.0.reason entries.0.size next_cursor", "", "", ""},
	{"browser", "GET /api/v1/audit", 200, "json", "entries.0.id", "", "", ""},
	{"program", "GET /api/v1/audit?mailbox={box}&status=imported&domain={domain}&from=2024-01-31&to=2100-01-31T00:00:00Z", 200, "json", "entries.0.id", "", "", "imported=entries.0.id"},
	{"program", "GET /api/v1/audit?status=lost", 400, "problem", "status_unknown status", "", "", ""},
	{"program", "GET /api/v1/audit", 200, "csv", "", "", "Accept: text/csv", ""},
	{"program", "GET /api/v1/audit", 200, "jsonl", "", "", "Accept: application/jsonl", ""},
	{"program", "GET /api/v1/audit", 406, "problem", "not_acceptable", "", "Accept: image/png", ""},
	{"program", "GET /api/v1/audit?status=refused", 200, "json", "entries.1.id", "", "", "refused=entries.0.id"},
	{"program", "GET /api/v1/audit?status=refused", 200, "json", "entries.1.id", "", "", "other=entries.1.id"},
	{"program", "GET /api/v1/audit?status=doubtful", 200, "json", "entries.0.id", "", "", "doubtful=entries.0.id"},
	{"program", "POST /api/v1/audit/{imported}/retry", 404, "problem", "not_found", "", "", ""},
	{"program", "POST /api/v1/audit/{refused}/done", 409, "problem", "not_to_decide", "", "", ""},
	{"program", "POST /api/v1/audit/{doubtful}/done", 202, "", "", "", "", ""},
	{"program", "POST /api/v1/audit/{other}/import", 202, "", "", "", "Idempotency-Key: i1", ""},
	{"program", "POST /api/v1/audit/{other}/import", 202, "", "", "", "Idempotency-Key: i1", ""},
	{"program", "POST /api/v1/audit/{refused}/retry", 202, "", "", "", "", ""},
	{"program", "GET /api/v1/why?mailbox={box}&date=2024-01-31&domain={domain}", 200, "json", "answer findings.0.place findings.0.code findings.0.detail entries", "", "", ""},
	{"program", "GET /api/v1/why?mailbox={box}", 400, "problem", "date_required date", "", "", ""},
	{"program", "GET /api/v1/export", 200, "json", "me.id mailboxes.0.id audit.0.id", "", "", ""},
}

// The end of everything.
var lastLines = []line{
	{"program", "DELETE /api/v1/tokens/{token}", 204, "", "", "", "", ""},
	{"program", "DELETE /api/v1/tokens/{token}", 404, "problem", "not_found", "", "", ""},
	{"browser", "DELETE /api/v1/grant", 403, "problem", "csrf_required", "", "", ""},
	{"program", "DELETE /api/v1/grant", 200, "json", "receipt.id receipt.at receipt.rows receipt.key_destroyed", "", "", ""},
	{"program", "GET /api/v1/mailboxes/{box}", 200, "json", mailboxFields, "", "", "etag=ETag"},
	{"program", "DELETE /api/v1/mailboxes/{box}", 412, "problem", "changed_meanwhile", "", `If-Match: "x"`, ""},
	{"program", "DELETE /api/v1/mailboxes/{box}", 200, "json", "receipt.id receipt.at receipt.rows receipt.key_destroyed", "", "If-Match: {etag}", "receipt=receipt.id"},
	{"nobody", "GET /api/v1/receipts/{receipt}", 200, "json", "id at rows key_destroyed", "", "", ""},
	{"nobody", "GET /receipts/{receipt}", 200, "html", "", "", "", ""},
	{"program", "GET /api/v1/mailboxes/{box}", 404, "problem", "not_found", "", "", ""},
	{"program", "DELETE /api/v1/sessions/{session}", 204, "", "", "", "", ""},
	{"browser", "GET /api/v1/me", 401, "problem", "session_expired", "", "", ""},
	{"program", "DELETE /api/v1/me", 200, "json", "receipt.id receipt.at receipt.rows receipt.key_destroyed", "", "", ""},
	{"program", "GET /api/v1/me", 401, "problem", "token_invalid", "", "", ""},
}

// Rules, while there is a mailbox; pages.
var ruleLines = []line{
	{"program", "GET /api/v1/plugins", 200, "json", "plugins.0.id plugins.0.name plugins.9.id", "", "", ""},
	{"program", "POST /api/v1/rules", 201, "json", "id name plugin position", `{"name":"No spam","plugin":"skip-domains","config":{"domains":["spam.example"]},"mailboxes":null,"enabled":true,"position":1}`, "", "rule=id"},
	{"program", "GET /api/v1/rules", 200, "json", "rules.0.id rules.0.plugin", "", "", ""},
	{"program", "GET /api/v1/rules/{rule}", 200, "json", "id config.domains.0", "", "", ""},
	{"program", "PUT /api/v1/rules/{rule}", 200, "json", "id", `{"name":"No spam","plugin":"skip-domains","config":{"domains":["spam.example","more.example"]},"mailboxes":["{box}"],"enabled":false,"position":1}`, "", ""},
	{"program", "POST /api/v1/plugins", 201, "json", "id name", "{module}", "Content-Type: application/wasm", "plugin=id"},
	{"program", "POST /api/v1/plugins/skip-domains/try", 200, "json", "verdict fuel", `{"config":{"domains":["spam.example"]},"header":"From: a@b.spam.example\r\n\r\n","size":10}`, "", ""},
	{"program", "POST /api/v1/rules/{rule}/try", 200, "json", "messages.0.verdict messages.0.sender_domain messages.0.size", `{"mailbox":"{box}","messages":5}`, "", ""},
	{"program", "POST /api/v1/rules/{rule}/try", 422, "problem", "mailbox_unknown mailbox", `{"mailbox":"x"}`, "", ""},
}

// And their end.
var afterLines = []line{
	{"program", "DELETE /api/v1/rules/{rule}", 204, "", "", "", "", ""},
	{"program", "GET /api/v1/plugins/{plugin}/module", 200, "wasm", "", "", "", ""},
	{"program", "DELETE /api/v1/plugins/{plugin}", 204, "", "", "", "", ""},
	{"program", "GET /api/v1/rules/{rule}", 404, "problem", "not_found", "", "", ""},
}
