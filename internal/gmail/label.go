package gmail

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"

	gapi "google.golang.org/api/gmail/v1"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// labels remembers the ids of a user's labels by folded name.
type labels struct {
	turn chan struct{} // held during a look-up: one name is never created twice from here
	mu   sync.Mutex
	ids  map[string]string // nil: not listed yet
}

func (l *labels) get(name string) (id string, listed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ids[fold(name)], l.ids != nil
}

func (l *labels) set(ids map[string]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ids = ids
}

func (l *labels) add(name, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ids != nil {
		l.ids[fold(name)] = id
	}
}

// forget makes the next look-up ask Gmail: the user may have deleted a label.
func (l *labels) forget() { l.set(nil) }

// fold: Gmail takes label names that differ in case only for the same.
func fold(name string) string { return strings.ToLower(name) }

// reserved marks the name of one of Gmail's own labels, which no user label
// may have.
const reserved = "\x00reserved"

// Label gives the id of the user's label with this name, found or created.
// Without the labels scope it asks Gmail nothing at all.
func (c *Client) Label(ctx context.Context, name string) (string, error) {
	ok, err := c.tokens.Granted(ctx, ScopeLabels)
	if err != nil {
		return "", err
	}
	if !ok {
		return "", &mail.Fault{Class: mail.Grant, Code: "grant_scope_labels", Text: "labels need one more permission from Google",
			Help: "allow labels on the settings page, or remove the label"}
	}
	select {
	case c.labels.turn <- struct{}{}:
		defer func() { <-c.labels.turn }()
	case <-ctx.Done():
		return "", lostFault(kindLabel, context.Cause(ctx))
	}
	id, err := c.findOrCreate(ctx, name)
	if id == reserved {
		return "", refusal(kindLabel, apiError{})
	}
	return id, err
}

func (c *Client) findOrCreate(ctx context.Context, name string) (string, error) {
	id, listed := c.labels.get(name)
	if id != "" {
		return id, nil
	}
	svc, err := c.labelCalls(ctx)
	if err != nil {
		return "", err
	}
	if !listed {
		if id, err = c.list(ctx, svc, name); id != "" || err != nil {
			return id, err
		}
	}
	made, err := svc.Create("me", &gapi.Label{Name: name, LabelListVisibility: "labelShow", MessageListVisibility: "show"}).
		Fields("id").Context(ctx).Do()
	if e, ok := errors.AsType[*googleapi.Error](err); ok && e.Code == http.StatusConflict {
		// Somebody else created it since we listed.
		if id, err := c.list(ctx, svc, name); id != "" || err != nil {
			return id, err
		}
	}
	if err != nil {
		return "", c.labelFault(ctx, err)
	}
	if made.Id == "" {
		return "", &mail.Fault{Class: mail.Transient, Code: "bad_answer", Text: "Gmail's answer about the label makes no sense", Help: helpLater}
	}
	c.labels.add(name, made.Id)
	return made.Id, nil
}

func (c *Client) list(ctx context.Context, svc *gapi.UsersLabelsService, name string) (string, error) {
	all, err := svc.List("me").Fields("labels(id,name,type)").Context(ctx).Do()
	if err != nil {
		return "", c.labelFault(ctx, err)
	}
	ids := make(map[string]string, len(all.Labels))
	for _, l := range all.Labels {
		ids[fold(l.Name)] = l.Id
		if l.Type == "system" {
			ids[fold(l.Name)] = reserved
		}
	}
	c.labels.set(ids)
	return ids[fold(name)], nil
}

// labelCalls gives the generated client on our own transport.
func (c *Client) labelCalls(ctx context.Context) (*gapi.UsersLabelsService, error) {
	svc, err := gapi.NewService(ctx, option.WithEndpoint(c.api.String()+"/"), option.WithUserAgent(userAgent[0]),
		option.WithHTTPClient(&http.Client{
			Transport:     authorized{c},
			Timeout:       stallTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}))
	if err != nil {
		return nil, &mail.Fault{Class: mail.Setup, Code: "gmail_api_url", Text: "the Gmail API address is not usable", Help: "check SMTPSYNC_GMAIL_API_URL", Err: err}
	}
	return svc.Users.Labels, nil
}

func (c *Client) labelFault(ctx context.Context, err error) error {
	if f, ok := mail.AsFault(err); ok { // the token source's
		return f
	}
	if e, ok := errors.AsType[*googleapi.Error](err); ok {
		return c.fault(kindLabel, &reply{status: e.Code, header: e.Header, body: []byte(e.Body)})
	}
	return lostFault(kindLabel, scrub(ctx, c.api, err))
}

// authorized adds the access token to the generated client's requests, and
// makes one again with a fresh token if Gmail refuses the first.
type authorized struct{ c *Client }

// maxLabels bounds the list of labels: a mailbox has 10,000 at most.
const maxLabels = 8 << 20

func (a authorized) RoundTrip(req *http.Request) (*http.Response, error) {
	var stale vault.Secret
	for {
		token, err := a.c.tokens.Token(req.Context(), stale)
		if err != nil {
			return nil, err
		}
		out := req.Clone(req.Context())
		if req.GetBody != nil {
			if out.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
		out.Header.Set("Authorization", "Bearer "+token.RevealString())
		resp, err := a.c.transport.RoundTrip(out)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusUnauthorized || !stale.Empty() || req.Body != nil && req.GetBody == nil {
			resp.Body = limited{io.LimitReader(resp.Body, maxLabels), resp.Body}
			return resp, nil
		}
		_ = resp.Body.Close()
		stale = token
	}
}

type limited struct {
	io.Reader
	io.Closer
}
